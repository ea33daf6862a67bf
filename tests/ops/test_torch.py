"""PyTorch as a second opinion: value, gradient and second gradient of each function that it has too."""

import numpy as np
import pytest
from oracles import as_one, is_public, torch_functions

import tinygraph as tg
from tinygraph.graph.samples import Sample
from tinygraph.testing import laws

torch = pytest.importorskip("torch", reason="PyTorch is the second opinion here: pip install torch")

FUNCTIONS = torch_functions()
CASES = [
    pytest.param(record, inputs, params, id=f"{record.name}-{'-'.join(str(x.shape) for x in inputs)}-{params or ''}")
    for record in laws.records()
    if record.name in FUNCTIONS and is_public(record)
    for inputs, params in laws.samples(record)
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
    y = laws.applied(record, laws.consistent(record, xs), params)
    sought = [x for x in xs if x.requires_grad]
    if not y.requires_grad:
        return [y.data, *(np.zeros(x.shape) for x in sought), *(np.zeros(x.shape) for x in sought)]
    first = tg.gradients(y, sought, weights(y.shape))
    total = sum((tg.sum(g * weights(g.shape)) for g in first), tg.Tensor(0.0))
    return [y.data, *(g.data for g in first), *(g.data for g in tg.gradients(total, sought))]


def theirs(record, inputs, params):
    xs = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    y = as_one(torch, FUNCTIONS[record.name](torch, *consistent(record, xs), **params))
    sought = [x for x in xs if x.requires_grad]
    first = gradients(y, sought, torch.tensor(weights(y.shape)))
    total = sum((g * torch.tensor(weights(g.shape))).sum() for g in first)
    second = gradients(total, sought)
    return [x.numpy(force=True) for x in (y, *first, *second)]


def gradients(y, xs, seed=None):
    if not xs or not y.requires_grad:
        return [torch.zeros_like(x) for x in xs]
    found = torch.autograd.grad(y, xs, seed, create_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(xs, found, strict=True)]


@pytest.mark.filterwarnings("ignore::UserWarning")  # that PyTorch takes a slow way, or divides by zero as we do
@pytest.mark.parametrize(("record", "inputs", "params"), CASES)
def test_torch_agrees(record, inputs, params):
    expected = None
    try:
        expected = theirs(record, inputs, params)
    except RuntimeError:
        assert any(0 in x.shape for x in inputs)  # Fourier transforms of nothing are refused by PyTorch
    computed = ours(record, inputs, params)
    for one, other in zip(computed, expected or computed, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)


def test_every_name_is_one_of_ours():
    assert FUNCTIONS.keys() <= {record.name for record in laws.records()}
