"""The parts from which networks are built."""

from . import init

__all__ = ["init"]
