"""PyTorch's functions of the same meaning as ours of contraction and linalg."""

import numpy as np


def _with_signs_of(theirs, vectors, torch):
    """Vectors with the signs that NumPy has chosen."""
    return vectors * torch.sign((torch.as_tensor(theirs) * vectors.detach()).sum(-2, keepdim=True))


def _eigh(torch, x, UPLO="L"):
    x = (x + x.mT) / 2
    values, vectors = torch.linalg.eigh(x, UPLO=UPLO)
    theirs = np.linalg.eigh(x.detach().numpy(), UPLO).eigenvectors
    return _flat([values, _with_signs_of(theirs, vectors, torch)], torch)


def _svd(torch, x, full_matrices=True):
    left, values, right = torch.linalg.svd(x, full_matrices)
    theirs = np.linalg.svd(x.detach().numpy(), full_matrices)
    right = _with_signs_of(np.swapaxes(theirs.Vh, -1, -2), right.mT, torch).mT
    return _flat([_with_signs_of(theirs.U, left, torch), values, right], torch)


def _qr(torch, x, mode="reduced"):
    """With the signs that NumPy has chosen for the rows of R, which it has for the columns of Q."""
    q, r = torch.linalg.qr(x, mode)
    theirs = np.linalg.qr(x.detach().numpy(), mode)
    signs = torch.sign((torch.as_tensor(theirs if mode == "r" else theirs.R) * r.detach()).sum(-1, keepdim=True))
    signs = torch.where(signs == 0, 1.0, signs)
    return r * signs if mode == "r" else _flat([q * signs.mT, r * signs], torch)


def _cond(torch, x, p=None):
    if p in (None, 2, -2):
        return torch.linalg.cond(x, p)
    return torch.linalg.norm(x, p) * torch.linalg.norm(torch.linalg.inv(x), p)


def _norm(torch, x, ord=2, axis=None, keepdims=False):
    return torch.linalg.vector_norm(x, ord, axis, keepdims)


def _matrix_norm(torch, x, ord="fro", keepdims=False):
    return torch.linalg.matrix_norm(x, ord, keepdim=keepdims)


def _dot(torch, x, y):
    if x.ndim == 0 or y.ndim == 0:
        return x * y
    return torch.tensordot(x, y, dims=([x.ndim - 1], [max(y.ndim - 2, 0)]))


def _tensordot(torch, x, y, axes=2):
    if not isinstance(axes, int):
        axes = [[axis] if isinstance(axis, int) else list(axis) for axis in axes]
    return torch.tensordot(x, y, dims=axes)


def _lstsq(torch, x, y):
    full = x.shape[0] > x.shape[1]
    columns = y if y.ndim == 2 else y[:, None]
    solution = torch.linalg.pinv(x) @ columns
    residuals = ((x @ solution - columns) ** 2).sum(0) if full else solution.ravel()[:0]
    return torch.cat([solution.ravel(), residuals, torch.linalg.svdvals(x)])


def _flat(parts, torch):
    return torch.cat([part.ravel() for part in parts])


def _tensorsolve(torch, x, y, axes=None):
    return torch.linalg.tensorsolve(x, y, dims=axes)


ORACLE = {
    "cholesky": lambda torch, x, upper=False: torch.linalg.cholesky((x + x.mT) / 2, upper=upper),
    "cond": _cond,
    "cross": lambda torch, x, y: torch.linalg.cross(*torch.broadcast_tensors(x, y)),
    "det": lambda torch, x: torch.linalg.det(x),
    "dot": _dot,
    "eigh": _eigh,
    "eigvalsh": lambda torch, x, UPLO="L": torch.linalg.eigvalsh((x + x.mT) / 2, UPLO=UPLO),
    "einsum": lambda torch, *xs, subscripts: torch.einsum(subscripts, *xs),
    "inner": lambda torch, x, y: torch.inner(x, y),
    "inv": lambda torch, x: torch.linalg.inv(x),
    "kron": lambda torch, x, y: torch.kron(x, y),
    "logabsdet": lambda torch, x: torch.linalg.slogdet(x).logabsdet,
    "lstsq": _lstsq,
    "matmul": lambda torch, x, y: torch.matmul(x, y),
    "matrix_norm": _matrix_norm,
    "matrix_power": lambda torch, x, n: torch.linalg.matrix_power(x, n),
    "matrix_rank": lambda torch, x, rtol=None: torch.linalg.matrix_rank(x, rtol=rtol),
    "matvec": lambda torch, x, y: torch.matmul(x, y[..., None])[..., 0],
    "multi_dot": lambda torch, *xs: torch.linalg.multi_dot(xs),
    "norm": lambda torch, x, ord=None, axis=None, keepdims=False: torch.linalg.norm(x, ord, axis, keepdims),
    "outer": lambda torch, x, y: torch.outer(x, y),
    "pinv": lambda torch, x, rtol=None: torch.linalg.pinv(x, rtol=rtol),
    "qr": _qr,
    "singular_values": lambda torch, x, packed, count: torch.linalg.svdvals(x),
    "solve": lambda torch, x, y: (
        torch.linalg.solve(x, y) if y.ndim > 1 else torch.linalg.solve(x, y[..., None])[..., 0]
    ),
    "svd": _svd,
    "svdvals": lambda torch, x: torch.linalg.svdvals(x),
    "tensordot": _tensordot,
    "tensorinv": lambda torch, x, ind=2: torch.linalg.tensorinv(x, ind),
    "tensorsolve": _tensorsolve,
    "trace": lambda torch, x, offset=0: x.diagonal(offset, -2, -1).sum(-1),
    "vdot": lambda torch, x, y: torch.vdot(x.ravel(), y.ravel()),
    "vecdot": lambda torch, x, y, axis=-1: torch.linalg.vecdot(
        *torch.broadcast_tensors(x.movedim(axis, -1), y.movedim(axis, -1))
    ),
    "vecmat": lambda torch, x, y: torch.matmul(x[..., None, :], y)[..., 0, :],
    "vector_norm": _norm,
}
