"""The NumPy functions that refuse a tensor: for each the reason, and what to use instead."""

from __future__ import annotations

import re

_COMPLEX = "gives complex numbers, which a tensor does not hold"
_COEFFICIENTS = "works on the coefficients of a polynomial"
_CALLS = "calls a Python function on plain arrays"
_COUNTS = "counts, and counts have no gradient; give it the .data of the tensor"
_SETS = "picks elements, and their number depends on their values; give it the .data of the tensor"
_TEXT = "makes text of numbers; give it the .data of the tensor, or take str of the tensor itself"
_FILE = "writes a file of plain arrays; give it the .data of the tensor"
_MEMORY = "is about the memory of arrays; give it the .data of the tensor"
_WRITES = "writes in place, which would leave the graph; try"
_CREATES = "makes a plain array, even with like=; make a tensor of it with tg.Tensor(array)"

_GROUPS = {
    f"{_COMPLEX}; give it the .data of the tensor": "np.roots np.sort_complex",
    "takes a Python function that returns plain numbers; write it with operations on the whole tensor": """
        np.vectorize np.frompyfunc
    """,
    f"{_CALLS}; write it with operations on the whole tensor, or tg.stack the results of a loop": """
        np.apply_along_axis np.apply_over_axes
    """,
    f"{_CALLS}; choose between results on the whole tensor with np.where or np.select": "np.piecewise",
    f"{_COEFFICIENTS}; add and subtract tensors of one length, the shorter padded with zeros in front": """
        np.polyadd np.polysub
    """,
    f"{_COEFFICIENTS}; use np.convolve, which is their product": "np.polymul",
    f"{_COEFFICIENTS}, and the length of the remainder depends on them; give it the .data of the tensor": "np.polydiv",
    f"{_COEFFICIENTS}; use p[:-1] * np.arange(len(p) - 1, 0, -1)": "np.polyder",
    f"{_COEFFICIENTS}; use p / np.arange(len(p), 0, -1), and append the constant": "np.polyint",
    f"{_COEFFICIENTS}; use np.convolve of the factors [1, −root]": "np.poly",
    "fits by least squares; with V = np.vander(x, degree + 1) solve (V.T @ V) p = V.T @ y": "np.polyfit",
    "makes an array of numbers; use start + (stop - start) * np.linspace(0, 1, n)": "np.linspace",
    "makes an array of numbers; use base ** (start + (stop - start) * np.linspace(0, 1, n))": "np.logspace",
    "makes an array of numbers; use start * (stop / start) ** np.linspace(0, 1, n)": "np.geomspace",
    "gives views of memory; index with x[..., np.arange(n - k + 1)[:, None] + np.arange(k)]": """
        np.lib.stride_tricks.sliding_window_view
    """,
    "is about complex numbers, and a tensor is real": "np.imag np.iscomplex np.isreal np.real_if_close",
    "has no rule; use x * 2.0**exponent": "np.ldexp",
    "gives a shape that depends on values; take a slice of the tensor, as in x[1:-1]": "np.trim_zeros",
    "gives memory to write to, but nobody writes to a tensor; use np.zeros_like": "np.empty_like",
    f"{_WRITES} np.where(mask, new, old), or x.at[key].set(values)": "np.copyto",
    f"{_WRITES} np.where(mask, new, old), or x.at[mask].set(values)": "np.place np.putmask",
    f"{_WRITES} x.at[key].set(values)": "np.put np.put_along_axis",
    f"{_WRITES} x.at[i, i].set(values) with i = np.arange(n)": "np.fill_diagonal",
    _COUNTS: "np.histogram np.histogram2d np.histogramdd np.histogram_bin_edges np.bincount",
    _SETS: """
        np.unique np.unique_all np.unique_counts np.unique_inverse np.unique_values np.intersect1d np.setdiff1d
        np.setxor1d np.union1d
    """,
    _TEXT: "np.array2string np.array_repr np.array_str",
    _FILE: "np.save np.savetxt np.savez np.savez_compressed",
    _MEMORY: "np.shares_memory np.may_share_memory",
    _CREATES: """
        np.arange np.array np.asarray np.asanyarray np.ascontiguousarray np.asfortranarray np.empty np.eye np.frombuffer
        np.fromfile np.fromfunction np.fromiter np.fromstring np.full np.genfromtxt np.identity np.loadtxt np.ones
        np.require np.tri np.zeros
    """,
}
REFUSALS = {name: reason for reason, names in _GROUPS.items() for name in re.findall(r"\S+", names)}
"""For the name of each function, the rest of the sentence that refuses it."""

REFUSALS |= {
    f"np.fft.{name}": f"{_COMPLEX}; tg.fft.{name} gives the real and the imaginary parts as two tensors"
    for name in ("fft", "ifft", "fft2", "ifft2", "fftn", "ifftn", "rfft", "rfft2", "rfftn", "ihfft")
}
REFUSALS |= {
    f"np.lib.scimath.{name}": f"{_COMPLEX}, for some arguments; np.{name} gives NaN for these"
    for name in ("sqrt", "log", "log2", "log10", "power", "arccos", "arcsin", "arctanh")
}
