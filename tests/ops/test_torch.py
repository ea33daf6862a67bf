"""PyTorch as a second opinion: value, gradient and second gradient of each function that it has too."""

import numpy as np
import pytest
from oracles import as_one, torch_functions

import tinygraph as tg
from tinygraph import testing
from tinygraph.samples import Sample

torch = pytest.importorskip("torch", reason="PyTorch is the second opinion here: pip install torch")

FUNCTIONS = torch_functions()
CASES = [
    pytest.param(record, inputs, params, id=f"{record.name}-{'-'.join(str(x.shape) for x in inputs)}-{params or ''}")
    for record in testing.records()
    if record.name in FUNCTIONS
    for inputs, params in testing.samples(record)
]


def consistent(record, xs):
    """As `testing.consistent`, for PyTorch."""
    given = list(xs)
    for reported, carrier in getattr(record, "aside", {}).items():
        given[reported] = torch.sigmoid(given[carrier])
    domains = record.samples[0].domains if record.samples and isinstance(record.samples[0], Sample) else ()
    for i, domain in enumerate(domains):
        if domain is not None and domain.symmetric:
            given[i] = (given[i] + given[i].mT) / 2
    return given


def weights(shape):
    return np.cos(np.arange(float(np.prod(shape)))).reshape(shape)


def ours(record, inputs, params):
    xs = [tg.Tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    y = testing.applied(record, testing.consistent(record, xs), params)
    found = [y.data]
    sought = [x for x in xs if x.requires_grad]
    if y.requires_grad:
        first = tg.gradients(y, sought, weights(y.shape))
        total = sum((tg.sum(g * weights(g.shape)) for g in first), tg.Tensor(0.0))
        found += [g.data for g in first] + [g.data for g in tg.gradients(total, sought)]
    return found


def theirs(record, inputs, params):
    xs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    y = as_one(torch, FUNCTIONS[record.name](torch, *consistent(record, xs), **params))
    found = [y.detach().resolve_neg().numpy()]
    sought = [x for x in xs if x.requires_grad]
    if y.requires_grad:
        seed = torch.tensor(weights(y.shape))
        first = gradients(y, sought, seed)
        total = sum((g * torch.tensor(weights(g.shape))).sum() for g in first)
        second = gradients(total, sought) if total.requires_grad else [torch.zeros_like(x) for x in sought]
        found += [g.detach().resolve_neg().numpy() for g in [*first, *second]]
    return found


def gradients(y, xs, seed=None):
    found = torch.autograd.grad(y, xs, seed, create_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(xs, found, strict=True)]


@pytest.mark.parametrize(("record", "inputs", "params"), CASES)
def test_torch_agrees(record, inputs, params):
    for one, other in zip(ours(record, inputs, params), theirs(record, inputs, params), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_every_name_is_one_of_ours():
    assert FUNCTIONS.keys() <= {record.name for record in testing.records()}
