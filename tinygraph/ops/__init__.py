"""The ops: the graph namespace, in the Array API's spelling.

Each family is a file, and importing it fills the op table. Rules that get this package as their ``xp`` record nodes.
"""

from typing import TYPE_CHECKING

from ..table import APPLY, FUNCTIONS
from . import elementwise, indexing, linalg, losses, reduction, shape
from .elementwise import *
from .indexing import *
from .linalg import *
from .losses import *
from .reduction import *
from .shape import *

FAMILIES = (elementwise, reduction, shape, indexing, linalg, losses)

if not TYPE_CHECKING:  # which takes what the families export
    __all__ = [name for family in FAMILIES for name in family.__all__]

FUNCTIONS.update({name: getattr(family, name) for family in FAMILIES for name in family.__all__})
for _name, _apply in APPLY.items():  # rules reach also the ops that have no public function
    globals().setdefault(_name, _apply)
