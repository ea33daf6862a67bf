"""What networks are built from."""

from . import init

__all__ = ["init"]
