"""Running sums and products, and differences: operations along an axis that keep it."""

from __future__ import annotations

__all__: list[str] = []
