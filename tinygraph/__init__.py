"""tinygraph: an autograd engine on NumPy that you can see through.

Wrap arrays, compute with them as with NumPy's, and ask for gradients, equations and the picture:

>>> import tinygraph as tg
>>> w, x = tg.parameter([[1.0, 2.0]]), tg.Tensor([[0.5], [1.0]])
>>> a = tg.sigmoid(w @ x)
>>> L = tg.log_loss(a, [[1.0]])
>>> L.backward()
>>> w.grad.round(4)
array([[-0.0379, -0.0759]])

Tensors        Tensor, parameter, toposort; attributes data, grad, shape, name, op, inputs, …
Recording      no_grad, enable_grad, scope
Checking       detect_anomaly, check_grads; check_backprop, which gives a BackpropReport; why, of a gradient or a value
Gradients      Tensor.backward, gradients; of functions: grad, value_and_grad, elementwise_grad, vjp, jvp, jacobian,
               hessian, hvp; otherwise than the values: custom_gradient, checkpoint, stop_gradient
Own ops        op
Programs       compile; for SciPy's optimisers: for_scipy, which gives a Problem
Seeing         draw, which gives a Picture; derive, which gives a Derivation, of Equations; summary, which gives a
               Summary
Namespaces     ops, all functions below; linalg, fft; nn, with init for weights
Errors         TinygraphError and its kinds: AnomalyError, ArgumentError, DependencyError, DTypeError, GraphError,
               ShapeError, UnsupportedError; BroadcastWarning
"""

from types import ModuleType as _Module
from typing import TYPE_CHECKING as _TYPE_CHECKING

# `as` says that a name is exported, which type checkers cannot read off a computed __all__
from . import linalg as linalg
from . import nn as nn
from . import ops as ops
from . import protocols
from .anomaly import detect_anomaly as detect_anomaly
from .apply import op as op
from .autodiff import gradients as gradients
from .backprop_check import BackpropReport as BackpropReport
from .backprop_check import check_backprop as check_backprop
from .checkpointing import checkpoint as checkpoint
from .checks import check_grads as check_grads
from .compile import compile as compile
from .custom import custom_gradient as custom_gradient
from .derive import derive as derive
from .draw import Picture as Picture
from .draw import draw as draw
from .equations import Derivation as Derivation
from .equations import Equation as Equation
from .errors import AnomalyError as AnomalyError
from .errors import ArgumentError as ArgumentError
from .errors import BroadcastWarning as BroadcastWarning
from .errors import DependencyError as DependencyError
from .errors import DTypeError as DTypeError
from .errors import GraphError as GraphError
from .errors import ShapeError as ShapeError
from .errors import TinygraphError as TinygraphError
from .errors import UnsupportedError as UnsupportedError
from .for_scipy import Problem as Problem
from .for_scipy import for_scipy as for_scipy
from .graph import Tensor as Tensor
from .graph import parameter as parameter
from .graph import toposort as toposort
from .jacobians import hessian as hessian
from .jacobians import jacobian as jacobian
from .nn import init as init
from .ops import *
from .ops import fft as fft
from .recording import enable_grad as enable_grad
from .recording import no_grad as no_grad
from .recording import scope as scope
from .summary import Summary as Summary
from .summary import summary as summary
from .transforms import elementwise_grad as elementwise_grad
from .transforms import grad as grad
from .transforms import hvp as hvp
from .transforms import jvp as jvp
from .transforms import value_and_grad as value_and_grad
from .transforms import vjp as vjp
from .why import why as why

__version__ = "0.1.0"

if not _TYPE_CHECKING:
    __all__ = [
        name
        for name, value in globals().items()
        if name in ("fft", "init", "linalg", "nn", "ops") or not (name.startswith("_") or isinstance(value, _Module))
    ]

for _family in ops.FAMILIES:
    __doc__ = (__doc__ or "") + f"{_family.__name__.rpartition('.')[2].capitalize():<14} {', '.join(_family.__all__)}\n"


def __dir__() -> list[str]:
    return __all__
