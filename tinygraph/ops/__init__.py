"""The ops: the graph namespace, in the Array API's spelling.

Each family is a file, and importing it fills the op table. Rules that get this package as their ``xp`` record nodes.
"""

from ..table import APPLY, FUNCTIONS
from . import elementwise, indexing, linalg, losses, reduction, shape
from .elementwise import *
from .indexing import *
from .linalg import *
from .losses import *
from .reduction import *
from .shape import *

for _family in (elementwise, indexing, linalg, losses, reduction, shape):
    FUNCTIONS.update({name: getattr(_family, name) for name in _family.__all__})

__all__ = list(FUNCTIONS)
for _name, _apply in APPLY.items():  # rules reach also the ops that have no public function
    globals().setdefault(_name, _apply)
