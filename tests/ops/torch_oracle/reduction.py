"""Reductions, statistics, running sums and sorting as PyTorch has them."""

import math

import numpy as np


def axes(x, axis):
    """The axes as PyTorch takes them."""
    return tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def one_by_one(reduce):
    """A reduction of one axis at a time, for several."""

    def reduced(torch, x, axis=None, keepdims=False):
        for i in sorted((i % max(x.ndim, 1) for i in axes(x, axis)), reverse=True):
            x = reduce(torch, x, i, keepdims)
        return x

    return reduced


def along(name, nan=None):
    """A reduction of several axes at a time; of none, which for PyTorch are all, those along a new one."""

    def reduced(torch, x, axis=None, keepdims=False):
        if nan is not None:
            x = torch.where(torch.isnan(x), nan, x)
        if axis == ():
            return getattr(torch, name)(x[..., None], (-1,))
        return getattr(torch, name)(x, axes(x, axis), keepdim=keepdims)

    return reduced


def in_line(x, axis):
    """The elements along the axes one after the other along a last axis, and the shape of x with these kept as ones."""
    reduced = sorted(i % max(x.ndim, 1) for i in axes(x, axis))
    kept = [1 if i in reduced else n for i, n in enumerate(x.shape)]
    rest = [i for i in range(x.ndim) if i not in reduced]
    count = math.prod(x.shape[i] for i in reduced)
    return x.permute(*rest, *reduced).reshape([*(x.shape[i] for i in rest), count]), kept


def flat(*results):
    """Several results in one row."""
    from torch import cat  # only where this is called

    return cat([y.reshape(-1).to(results[0].dtype) for y in results])


product = one_by_one(lambda torch, x, axis, keepdims: torch.prod(x, axis, keepdim=keepdims))


def moment(name):
    def reduced(torch, x, axis=None, correction=0, keepdims=False):
        if not x.numel():  # of which it warns
            return x.sum(axes(x, axis), keepdim=keepdims) * math.nan
        return getattr(torch, name)(x, dim=axes(x, axis), correction=correction, keepdim=keepdims)

    return reduced


def quantile(name, percent=False):
    def reduced(torch, x, q, axis=None, method="linear", keepdims=False):
        line, kept = in_line(x, axis)
        q = torch.as_tensor(q, dtype=x.dtype) / (100 if percent else 1)
        if method not in ("linear", "lower", "higher", "midpoint", "nearest"):  # then by its place among 0, 1, 2, …
            place = torch.tensor(np.quantile(np.arange(float(line.shape[-1])), q.numpy(), method=method)).reshape(-1)
            ascending, below = torch.sort(line, stable=True).values, place.floor().long()
            lower, upper, share = ascending[..., below], ascending[..., place.ceil().long()], place - below
            y = torch.where(share == 0, lower, torch.lerp(lower, upper, share)).moveaxis(-1, 0)
        else:
            y = getattr(torch, name)(line, q.reshape(-1), dim=-1, interpolation=method)
        return y.reshape([*q.shape, *(kept if keepdims else line.shape[:-1])])

    return reduced


def middle(name):
    def reduced(torch, x, axis=None, keepdims=False):
        return quantile(name)(torch, x, 0.5, axis, keepdims=keepdims) if x.numel() else x.sum(axis) * math.nan

    return reduced


def running(name, nan=None):
    def along(torch, x, axis=None, include_initial=False):
        axis = 0 if axis is None else axis
        x = x if nan is None else torch.where(torch.isnan(x), nan, x)
        y = getattr(torch, name)(x, axis)
        first = torch.full_like(y.narrow(axis, 0, 1), name == "cumprod") if include_initial else None
        return torch.cat([first, y], axis) if include_initial else y

    return along


def average(torch, x, axis=None, weights=None, returned=False, keepdims=False):
    along = axes(x, axis)
    w = torch.ones_like(x) if weights is None else torch.tensor(weights, dtype=x.dtype)
    if w.shape != x.shape:
        w = w.reshape([-1 if i == along[0] % x.ndim else 1 for i in range(x.ndim)]).expand(x.shape)
    total = w.sum(along, keepdim=keepdims)
    y = (w * x).sum(along, keepdim=keepdims) / total
    return flat(y, total) if returned else y


def variables(torch, x, y, rowvar):
    rows = [z.reshape(1, -1) if z.ndim < 2 else z if rowvar else z.T for z in (x, y) if z is not None]
    return torch.cat(rows)


def cov(torch, x, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None):
    correction = (0 if bias else 1) if ddof is None else ddof
    fweights = None if fweights is None else torch.tensor(fweights)
    aweights = None if aweights is None else torch.tensor(aweights, dtype=x.dtype)
    given = variables(torch, x, y, rowvar)
    return torch.cov(given, correction=correction, fweights=fweights, aweights=aweights).squeeze()


def nanvar(torch, x, axis=None, correction=0, keepdims=False):
    known = ~torch.isnan(x)
    along = axes(x, axis)
    mean = torch.nanmean(x, along, keepdim=True)
    squares = torch.where(known, x - mean, 0.0) ** 2
    freedom = known.sum(along, keepdim=keepdims) - correction
    return squares.sum(along, keepdim=keepdims) / torch.where(freedom > 0, freedom, math.nan)


def nanstd(torch, x, **params):
    variance = nanvar(torch, x, **params)
    varies = variance != 0
    return torch.where(varies, torch.sqrt(torch.where(varies, variance, 1.0)), 0.0)


def extreme(name, nan):
    """Of the elements that are not NaN; of none it is NaN."""

    def reduced(torch, x, axis=None, keepdims=False):
        none = torch.isnan(x) if axis == () else torch.isnan(x).all(axes(x, axis), keepdim=keepdims)
        return torch.where(none, math.nan, along(name, nan)(torch, x, axis, keepdims))

    return reduced


def place(name, nan=None):
    def found(torch, x, axis=None, keepdims=False):
        x = x if nan is None else torch.where(torch.isnan(x), nan, x)
        return getattr(torch, name)(x, axis, keepdim=keepdims)

    return found


def ordered(torch, x, axis=-1, descending=False, stable=True):
    x, axis = (x.reshape(-1), 0) if axis is None else (x, axis)
    return torch.sort(x, dim=axis, descending=descending, stable=True)


def take_along_axis(torch, x, indices, axis=-1):
    if axis is None:
        x, axis = x.reshape(-1), 0
    axis = axis % x.ndim
    rest = torch.broadcast_shapes(*((*s[:axis], 1, *s[axis + 1 :]) for s in (x.shape, indices.shape)))
    x, indices = (z.expand(*rest[:axis], z.shape[axis], *rest[axis + 1 :]) for z in (x, indices))
    return torch.gather(x, axis, indices % max(x.shape[axis], 1))


def scatter_along_axis(torch, g, indices, axis, length):
    zeros = torch.zeros([length if i == axis else n for i, n in enumerate(g.shape)], dtype=g.dtype)
    return zeros.scatter_add(axis, indices % length, g)


def topk(torch, x, k, axis=-1, largest=True):
    return torch.topk(x, k, axis, largest).values.reshape(-1)


def constant(torch, number, like):
    """A number that is still a function of something, with the derivative 0."""
    return torch.where(torch.ones_like(like, dtype=torch.bool), number, like)


def products(torch, x, axis, before):
    """The products of the elements before each, or after it, by a loop."""
    rows = x.unbind(axis)
    rows = rows if before else rows[::-1]
    found = [constant(torch, 1.0, rows[0])] if rows else []
    for row in rows[:-1]:
        found.append(found[-1] * row)
    return torch.stack(found if before else found[::-1], axis) if rows else x * 1.0


def recurrence(torch, x, b, axis, reverse):
    pairs = list(zip(x.unbind(axis), b.unbind(axis), strict=True))
    pairs = pairs[::-1] if reverse else pairs
    found = [constant(torch, 0.0, pairs[0][0] * pairs[0][1])] if pairs else []
    for factor, term in pairs[:-1]:
        found.append(factor * found[-1] + term)
    return torch.stack(found[::-1] if reverse else found, axis) if pairs else x * b


ORACLE = {name: along(name) for name in ("sum", "mean", "logsumexp", "nansum", "nanmean")}
ORACLE |= {
    "all": one_by_one(lambda torch, x, axis, keepdims: torch.all(x, axis, keepdim=keepdims)),
    "any": one_by_one(lambda torch, x, axis, keepdims: torch.any(x, axis, keepdim=keepdims)),
    "argcummax": lambda torch, x, axis: torch.cummax(x, axis).indices,
    "argcummin": lambda torch, x, axis: torch.cummin(x, axis).indices,
    "argmax": place("argmax"),
    "argmin": place("argmin"),
    "argsort": lambda torch, x, **params: ordered(torch, x, **params).indices,
    "average": average,
    "centred": lambda torch, x, axis: x - x.mean(axes(x, axis), keepdim=True),
    "corrcoef": lambda torch, x, y=None, rowvar=True: torch.corrcoef(variables(torch, x, y, rowvar)),
    "count_nonzero": lambda torch, x, **params: along("sum")(torch, x != 0, **params),
    "cov": cov,
    "cumulative_prod": running("cumprod"),
    "cumulative_sum": running("cumsum"),
    "cummax": lambda torch, x, axis: torch.cummax(x, axis).values.reshape(-1),
    "cummin": lambda torch, x, axis: torch.cummin(x, axis).values.reshape(-1),
    "diff": lambda torch, x, n=1, axis=-1: torch.diff(x, n, axis),
    "logcumsumexp": lambda torch, x, axis: torch.logcumsumexp(x, axis),
    "max": along("amax"),
    "median": middle("quantile"),
    "min": along("amin"),
    "nanargmax": place("argmax", -math.inf),
    "nanargmin": place("argmin", math.inf),
    "nancumprod": running("cumprod", 1.0),
    "nancumsum": running("cumsum", 0.0),
    "nanmax": extreme("amax", -math.inf),
    "nanmedian": middle("nanquantile"),
    "nanmin": extreme("amin", math.inf),
    "nanpercentile": quantile("nanquantile", percent=True),
    "nanprod": lambda torch, x, **params: product(torch, torch.where(torch.isnan(x), 1.0, x), **params),
    "nanquantile": quantile("nanquantile"),
    "nanstd": nanstd,
    "nanvar": nanvar,
    "percentile": quantile("quantile", percent=True),
    "prod": product,
    "prod_after": lambda torch, x, axis: products(torch, x, axis, False),
    "prod_before": lambda torch, x, axis: products(torch, x, axis, True),
    "ptp": lambda torch, x, axis=None, keepdims=False: (
        torch.amax(x, axes(x, axis), keepdim=keepdims) - torch.amin(x, axes(x, axis), keepdim=keepdims)
    ),
    "quantile": quantile("quantile"),
    "recurrence": recurrence,
    "scatter_along_axis": scatter_along_axis,
    "searchsorted": lambda torch, x, values, side="left": torch.searchsorted(x, values, side=side),
    "sort": lambda torch, x, **params: ordered(torch, x, **params).values,
    "std": moment("std"),
    "take_along_axis": take_along_axis,
    "topk": topk,
    "var": moment("var"),
}


def softmax_of(name):
    def of(torch, x, axis=-1):
        """Along an axis, or along several in line."""
        function = getattr(torch, name)
        reduced = sorted(i % max(x.ndim, 1) for i in axes(x, axis)) if x.ndim else []
        order = [*(i for i in range(x.ndim) if i not in reduced), *reduced]
        moved = x.permute(order)
        y = function(moved.reshape(*moved.shape[: x.ndim - len(reduced)], math.prod(x.shape[i] for i in reduced)), -1)
        return y.reshape(moved.shape).permute([order.index(i) for i in range(x.ndim)])

    return of


ORACLE |= {name: softmax_of(name) for name in ("log_softmax", "softmax")}
