"""Products that sum over an axis."""

from __future__ import annotations

__all__: list[str] = []
