"""Signals on a line: convolution, interpolation, numerical derivatives and integrals."""

from __future__ import annotations

__all__: list[str] = []
