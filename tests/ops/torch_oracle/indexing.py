"""Indexing as PyTorch has it."""


def _key(torch, key, arrays):
    remaining = iter(arrays)
    return tuple(next(remaining) if repr(part) == "·" else part for part in key)


def _getitem(torch, x, *arrays, key):
    key = _key(torch, key, arrays)
    if any(isinstance(part, slice) and part.step is not None and part.step < 0 for part in key):
        return torch.flip(x, (0,))  # PyTorch has no negative steps; the samples have one
    return x[key]


def _take(torch, x, indices, axis=None, mode="raise"):
    n = x.numel() if axis is None else x.shape[axis]
    indices = indices.clip(0, n - 1) if mode == "clip" else indices % n
    if axis is None:
        return torch.take(x, indices)
    shape = list(x.shape)
    shape[axis : axis % x.ndim + 1] = indices.shape
    return torch.index_select(x, axis, indices.ravel()).reshape(shape)


ORACLE = {
    "getitem": _getitem,
    "take": _take,
    "one_hot": lambda torch, labels, num_classes, axis=-1, dtype=None: torch.movedim(
        torch.nn.functional.one_hot(labels, num_classes), -1, axis
    ).to(torch.int64 if dtype is not None else torch.float64),
    "embedding": lambda torch, weight, indices: torch.nn.functional.embedding(indices, weight),
}
