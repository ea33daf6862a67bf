"""The inputs on which to test an op, as a part of its record; `tinygraph.testing.laws` turns them into arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Domain(NamedTuple):
    """Where the numbers of one input come from: ±[low, high), away from kinks and poles."""

    low: float = -2.0
    high: float = 2.0
    signs: bool = False
    diagonal: float = 0.0
    """Added to the diagonal of matrices, so that they have an inverse."""
    boolean: bool = False
    integer: bool = False
    """Whole numbers, as for counts and places."""
    increasing: bool = False
    """In ascending order along the last axis, and apart."""
    symmetric: bool = False
    """Matrices that equal their transpose; gradients are taken among such."""
    computed: str = ""
    """The op that computes this input from those before it."""


class Sample(NamedTuple):
    """Shapes of the inputs, static parameters, and the domains of the inputs where they are not the default."""

    shapes: tuple[tuple[int, ...], ...]
    params: Mapping[str, Any] = {}
    domains: tuple[Domain | None, ...] = ()
