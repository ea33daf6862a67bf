"""Layers that normalise, and attention."""

from __future__ import annotations

__all__: list[str] = []
