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
from . import fft as fft
from . import linalg as linalg
from . import nn as nn
from . import ops as ops
from .autodiff import backward as _backward
from .autodiff.checkpointing import checkpoint as checkpoint
from .autodiff.custom import custom_gradient as custom_gradient
from .autodiff.jacobians import hessian as hessian
from .autodiff.jacobians import jacobian as jacobian
from .autodiff.transforms import elementwise_grad as elementwise_grad
from .autodiff.transforms import grad as grad
from .autodiff.transforms import hvp as hvp
from .autodiff.transforms import jvp as jvp
from .autodiff.transforms import value_and_grad as value_and_grad
from .autodiff.transforms import vjp as vjp
from .autodiff.traversal import gradients as gradients
from .bridges.scipy import Problem as Problem
from .bridges.scipy import for_scipy as for_scipy
from .diagnosis.anomaly import detect_anomaly as detect_anomaly
from .diagnosis.backprop import BackpropReport as BackpropReport
from .diagnosis.backprop import check_backprop as check_backprop
from .diagnosis.explanations import why as why
from .diagnosis.summaries import Summary as Summary
from .diagnosis.summaries import summary as summary
from .equations.deriving import derive as derive
from .equations.results import Derivation as Derivation
from .equations.results import Equation as Equation
from .errors import AnomalyError as AnomalyError
from .errors import ArgumentError as ArgumentError
from .errors import BroadcastWarning as BroadcastWarning
from .errors import DependencyError as DependencyError
from .errors import DTypeError as DTypeError
from .errors import GraphError as GraphError
from .errors import ShapeError as ShapeError
from .errors import TinygraphError as TinygraphError
from .errors import UnsupportedError as UnsupportedError
from .graph.declaring import op as op
from .graph.node import toposort as toposort
from .graph.recording import enable_grad as enable_grad
from .graph.recording import no_grad as no_grad
from .graph.recording import scope as scope
from .graph.tensor import Tensor as Tensor
from .graph.tensor import parameter as parameter
from .nn import init as init
from .numpy_api import protocols
from .ops import *
from .pictures import Picture as Picture
from .pictures import draw as draw
from .programs.compiling import compile as compile
from .testing.gradcheck import check_grads as check_grads

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
