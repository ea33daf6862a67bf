"""tinygraph: an autograd engine on NumPy that you can see through."""

from . import nn, ops, protocols
from .autodiff import gradients
from .derive import Derivation, Equation, derive
from .draw import Picture, draw
from .errors import (
    ArgumentError,
    BroadcastWarning,
    DependencyError,
    DTypeError,
    GraphError,
    ShapeError,
    TinygraphError,
    UnsupportedError,
)
from .graph import Tensor, parameter, toposort
from .nn import init
from .ops import *
from .recording import enable_grad, no_grad, scope

__version__ = "0.1.0"
