"""The inputs that an op is tested on, as a part of its record. `tinygraph.testing.laws` turns them into arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Domain(NamedTuple):
    """The range of numbers for one input: ±[low, high), away from kinks and poles."""

    low: float = -2.0
    high: float = 2.0
    signs: bool = False
    diagonal: float = 0.0
    """Added to the diagonal of matrices, so that they have an inverse."""
    boolean: bool = False
    integer: bool = False
    """Whether the numbers are whole, as for counts and indices."""
    increasing: bool = False
    """Whether the numbers ascend along the last axis, at a distance from each other."""
    symmetric: bool = False
    """Whether matrices equal their transposes. Gradients are then taken among symmetric matrices."""
    computed: str = ""
    """The op that computes this input from those before it."""


class Sample(NamedTuple):
    """Shapes of the inputs, static parameters, and the domains of the inputs where they are not the default."""

    shapes: tuple[tuple[int, ...], ...]
    params: Mapping[str, Any] = {}
    domains: tuple[Domain | None, ...] = ()
