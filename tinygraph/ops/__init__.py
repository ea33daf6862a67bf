"""The ops: the graph namespace, in the Array API's spelling.

Each family is a file, and importing it fills the op table. Rules that get this package as their ``xp`` record nodes.
"""

from typing import TYPE_CHECKING, Any

from ..table import APPLY, FUNCTIONS
from . import (
    activations,
    arranging,
    comparisons,
    contraction,
    control,
    convolution,
    cumulative,
    decompositions,
    elementwise,
    indexing,
    joining,
    linalg,
    losses,
    normalisation,
    norms,
    reduction,
    shape,
    signal,
    sorting,
    statistics,
    transcendental,
)
from . import fft as fft
from .activations import *
from .arranging import *
from .comparisons import *
from .contraction import *
from .control import *
from .convolution import *
from .cumulative import *
from .decompositions import *
from .elementwise import *
from .indexing import *
from .joining import *
from .linalg import *
from .losses import *
from .normalisation import *
from .norms import *
from .reduction import *
from .shape import *
from .signal import *
from .sorting import *
from .statistics import *
from .transcendental import *

FAMILIES = (
    elementwise,
    transcendental,
    comparisons,
    activations,
    reduction,
    cumulative,
    statistics,
    shape,
    arranging,
    joining,
    indexing,
    sorting,
    contraction,
    linalg,
    decompositions,
    norms,
    convolution,
    normalisation,
    signal,
    losses,
    control,
)

if not TYPE_CHECKING:  # which takes what the families export
    __all__ = [name for family in FAMILIES for name in family.__all__]

FUNCTIONS.update({name: getattr(family, name) for family in FAMILIES for name in family.__all__})
for _name, _apply in APPLY.items():  # rules reach also the ops that have no public function
    globals().setdefault(_name, _apply)


def __getattr__(name: str) -> Any:
    """An op that was declared later, for rules."""
    if name in APPLY:
        return APPLY[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
