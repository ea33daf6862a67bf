"""Reading and writing elements at places."""

from typing import Any

import numpy as np


def scatter_add(g: Any, key: Any, shape: Any) -> Any:
    """Return zeros with the elements of g added at the places that a key names."""
    g = np.asarray(g)  # in a program it may be a plain number
    out = np.zeros(shape, g.dtype)
    key = key if isinstance(key, tuple) else (key,)
    axis, places = len(key) - 1, np.asarray(key[-1] if key else 0)
    alone = all(isinstance(part, slice) and part == slice(None) for part in key[:-1])
    if not alone or places.ndim == 0 or places.dtype.kind not in "iu" or out.ndim == 1:
        np.add.at(out, key, g)
        return out
    # along one axis: np.add.at is several times as fast on a flat array
    before, count, after = out.shape[:axis], out.shape[axis], out.shape[axis + 1 :]
    if places.size and not -count <= places.min() <= places.max() < count:
        raise IndexError(f"an index is out of bounds for axis {axis} with size {count}")
    starts = np.arange(int(np.prod(before)))[:, None] * count + places.reshape(-1) % max(count, 1)
    flat = starts[:, :, None] * int(np.prod(after)) + np.arange(int(np.prod(after)))
    np.add.at(out.reshape(-1), flat.reshape(-1), np.broadcast_to(g, (*before, *places.shape, *after)).reshape(-1))
    return out


def scatter_along_axis(g: Any, indices: Any, axis: Any, length: Any) -> Any:
    """Return zeros, `length` long along an axis, with the elements of g added at the places that indices name there."""
    out = np.zeros((*g.shape[:axis], length, *g.shape[axis + 1 :]), g.dtype)
    key = [np.arange(n).reshape((-1,) + (1,) * (g.ndim - 1 - i)) for i, n in enumerate(g.shape)]
    key[axis] = indices
    np.add.at(out, tuple(key), g)
    return out


def index_put(x: Any, values: Any, key: Any) -> Any:
    """Return a copy of x with values at the places that a key names. If several are for one place, the last stays."""
    out = np.array(x, order="C")
    key = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, np.ndarray) for part in key):
        places = np.arange(out.size).reshape(out.shape)[key]
        out.reshape(-1)[places.reshape(-1)] = np.broadcast_to(values, places.shape).reshape(-1)
    else:
        out[key] = values
    return out if out.ndim else out[()]


def last_written(key: Any, shape: Any) -> Any:
    """Return where a key names a place for the last time, so that the value written there stays."""
    everything = np.arange(int(np.prod(shape)))
    places = everything.reshape(shape)[key]
    order, last = np.arange(places.size), np.empty_like(everything)
    last[places.reshape(-1)] = order
    return (last[places.reshape(-1)] == order).reshape(places.shape)


def bounded_index(i: Any, length: Any, mode: Any) -> Any:
    """Return whole numbers as places from 0 to length − 1: wrap or clip those outside, or raise `IndexError`."""
    i = np.asarray(i).astype(np.intp)
    if mode == "wrap":
        i = i % max(length, 1)
    elif mode == "clip":
        i = np.clip(i, 0, length - 1)
    elif i.size and not 0 <= i.min() <= i.max() < length:
        raise IndexError(f"places go from 0 to {length - 1}, but one is {i.min() if i.min() < 0 else i.max()}")
    return i[()]


def diagonal_matrix(x: Any, offset: Any, shape: Any) -> Any:
    """Return zeros with the elements of x on a diagonal of the last two axes."""
    out = np.zeros(shape, x.dtype)
    i = np.arange(x.shape[-1])
    out[..., i + max(-offset, 0), i + max(offset, 0)] = x
    return out


def scatter_diagonal(x: Any, subscripts: Any, shape: Any) -> Any:
    """Return zeros with the elements of x where axes with the same label have the same index."""
    out = np.zeros(shape, x.dtype)
    np.einsum(subscripts, out)[...] = x
    return out


def interval(x: Any, nodes: Any) -> Any:
    """Return the place of the left node of the interval around each x; beyond the nodes, of the nearest interval."""
    return np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, np.size(nodes) - 2)


def jumps(x: Any, discont: Any, axis: Any, period: Any) -> Any:
    """Return the whole periods that np.unwrap adds to angles: 0 where they stay, even at ∞, NaN where it has NaN."""
    y = np.unwrap(x, discont, axis, period=period)
    return np.where(y == x, y.dtype.type(0), y - x)


def one_hot_along(y: Any, classes: Any, axis: Any) -> Any:
    """Return whether each class, along a new axis, is that of y; raise `IndexError` for a label that is not a class."""
    if y.size and not 0 <= np.min(y) <= np.max(y) < classes:
        raise IndexError(f"the classes are 0 to {classes - 1}, but labels are from {np.min(y)} to {np.max(y)}")
    return np.expand_dims(y, axis) == np.arange(classes).reshape(-1, *(1,) * (y.ndim - axis))
