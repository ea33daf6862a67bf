"""Moving elements about, joining and taking apart, as PyTorch has them."""

from itertools import pairwise

import numpy as np


def _dims(torch, axis, x):
    return tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def _roll(torch, x, shift, axis=None):
    many = isinstance(axis, tuple) or isinstance(shift, tuple)
    if many:  # NumPy broadcasts the two
        pairs = np.broadcast(shift, axis)
        shift, axis = zip(*((int(s), int(a)) for s, a in pairs), strict=True)
    return torch.roll(x, shift, axis)


def _pad(torch, x, pad_width, mode):
    for axis, ends in enumerate(pad_width):
        x = torch.index_select(x, axis, torch.tensor(np.pad(np.arange(x.shape[axis]), ends, mode)))
    return x


def _zero_pad(torch, x, pad_width, mode):
    if mode != "constant":
        return _pad(torch, x, pad_width, mode)
    return torch.nn.functional.pad(x, [n for ends in reversed(pad_width) for n in ends])


def _diagonal_matrix(torch, x, offset, shape):
    y = torch.zeros(shape, dtype=x.dtype)
    return torch.diagonal_scatter(y, x, offset, -2, -1)


def _tile(torch, x, reps):
    return torch.tile(x, reps if isinstance(reps, tuple) else (reps,))


def _cut(torch, split, x, indices_or_sections, axis):
    n = x.shape[axis]
    if isinstance(indices_or_sections, int):
        return split(x, indices_or_sections, axis)
    ends = [0, *indices_or_sections, n]
    parts = [range(n)[a:b] for a, b in pairwise(ends)]
    return [torch.index_select(x, axis, torch.tensor(list(part), dtype=torch.int64)) for part in parts]


ORACLE = {
    "reshape": lambda torch, x, shape: torch.reshape(x, (shape,) if isinstance(shape, int) else shape),
    "permute_dims": lambda torch, x, axes: torch.permute(x, tuple(reversed(range(x.ndim))) if axes is None else axes),
    "matrix_transpose": lambda torch, x: x.mT,
    "broadcast_to": lambda torch, x, shape: torch.broadcast_to(x, shape),
    "concat": lambda torch, *xs, axis: torch.cat([x.ravel() for x in xs]) if axis is None else torch.cat(xs, dim=axis),
    "stack": lambda torch, *xs, axis: torch.stack(xs, dim=axis),
    "ravel": lambda torch, x: torch.ravel(x),
    "squeeze": lambda torch, x, axis=None: torch.squeeze(x) if axis is None else torch.squeeze(x, axis),
    "moveaxis": lambda torch, x, source, destination: torch.moveaxis(x, source, destination),
    "swapaxes": lambda torch, x, axis1, axis2: torch.swapaxes(x, axis1, axis2),
    "atleast_1d": lambda torch, *xs: torch.atleast_1d(*xs),
    "atleast_2d": lambda torch, *xs: torch.atleast_2d(*xs),
    "atleast_3d": lambda torch, *xs: torch.atleast_3d(*xs),
    "broadcast_arrays": lambda torch, *xs: torch.broadcast_tensors(*xs),
    "flip": lambda torch, x, axis=None: torch.flip(x, _dims(torch, axis, x)),
    "fliplr": lambda torch, x: torch.fliplr(x),
    "flipud": lambda torch, x: torch.flipud(x),
    "rot90": lambda torch, x, k=1, axes=(0, 1): torch.rot90(x, k, axes),
    "roll": _roll,
    "tile": _tile,
    "repeat": lambda torch, x, repeats, axis=None: torch.repeat_interleave(x, repeats, axis),
    "pad": _zero_pad,
    "tril": lambda torch, x, k=0: torch.tril(x, k),
    "triu": lambda torch, x, k=0: torch.triu(x, k),
    "diagonal": lambda torch, x, offset=0: torch.diagonal(x, offset, -2, -1),
    "diagonal_matrix": _diagonal_matrix,
    "diag": lambda torch, x, k=0: torch.diag(x, k),
    "diagflat": lambda torch, x, k=0: torch.diagflat(x, k),
    "vstack": lambda torch, *xs: torch.vstack(xs),
    "hstack": lambda torch, *xs: torch.hstack(xs),
    "dstack": lambda torch, *xs: torch.dstack(xs),
    "column_stack": lambda torch, *xs: torch.column_stack(xs),
    "unstack": lambda torch, x, axis=0: torch.unbind(x, axis),
    "array_split": lambda torch, x, indices_or_sections, axis=0: _cut(
        torch, torch.tensor_split, x, indices_or_sections, axis
    ),
    "split": lambda torch, x, indices_or_sections, axis=0: _cut(
        torch, torch.tensor_split, x, indices_or_sections, axis
    ),
    "hsplit": lambda torch, x, indices_or_sections: torch.hsplit(x, indices_or_sections),
    "vsplit": lambda torch, x, indices_or_sections: torch.vsplit(x, indices_or_sections),
    "dsplit": lambda torch, x, indices_or_sections: torch.dsplit(x, indices_or_sections),
}
