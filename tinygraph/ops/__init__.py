"""The ops: the graph namespace, in the Array API's spelling.

Each family is a file in the folder of its kind; importing it fills the op table. Rules record nodes if they get this
package as their ``xp``.
"""

import sys
from typing import TYPE_CHECKING, Any

from ..graph.records import APPLY, FUNCTIONS, OFFERED
from .arithmetic import comparisons, control, elementwise, transcendental
from .arithmetic.comparisons import *
from .arithmetic.control import *
from .arithmetic.elementwise import *
from .arithmetic.transcendental import *
from .arrays import arranging, indexing, joining, shapes
from .arrays.arranging import *
from .arrays.indexing import *
from .arrays.joining import *
from .arrays.shapes import *
from .matrices import contraction, decompositions, solving
from .matrices.contraction import *
from .matrices.decompositions import *
from .matrices.solving import *
from .networks import activations, convolution, losses, normalisation
from .networks.activations import *
from .networks.convolution import *
from .networks.losses import *
from .networks.normalisation import *
from .reduce import cumulative, norms, reductions, sorting, statistics
from .reduce.cumulative import *
from .reduce.norms import *
from .reduce.reductions import *
from .reduce.sorting import *
from .reduce.statistics import *
from .signals import filters
from .signals import fourier as fourier
from .signals.filters import *

FAMILIES = (
    elementwise,
    transcendental,
    comparisons,
    reductions,
    cumulative,
    statistics,
    norms,
    sorting,
    shapes,
    arranging,
    joining,
    indexing,
    contraction,
    solving,
    decompositions,
    activations,
    convolution,
    normalisation,
    losses,
    filters,
    control,
)

if not TYPE_CHECKING:  # a type checker reads the exports of the families instead
    __all__ = [name for family in FAMILIES for name in family.__all__]

FUNCTIONS.update({name: getattr(family, name) for family in FAMILIES for name in family.__all__})
for _name, _apply in APPLY.items():  # rules also use ops that have no public function
    globals().setdefault(_name, _apply)
OFFERED.nodes = sys.modules[__name__]


def __getattr__(name: str) -> Any:
    """Return an op that was declared later, for rules."""
    if name in APPLY:
        return APPLY[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
