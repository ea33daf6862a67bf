"""Comparing, choosing and logic, element by element."""

from __future__ import annotations

__all__: list[str] = []
