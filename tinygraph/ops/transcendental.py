"""Exponentials, logarithms, trigonometric and hyperbolic functions, and what is related to them; element by element."""

from __future__ import annotations

__all__: list[str] = []
