"""Means, spreads and order statistics along an axis."""

from __future__ import annotations

__all__: list[str] = []
