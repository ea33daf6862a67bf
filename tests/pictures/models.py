"""Larger graphs to draw: a transformer, a recurrent net, deep nets, and graphs without any order."""

import contextlib
import itertools

import numpy as np

import tinygraph as tg


def _attention(x, heads, output, mask):
    """Attention of several heads; each has its own projections."""
    parts = []
    for Wq, Wk, Wv in heads:
        q = x @ Wq
        k = x @ Wk
        v = x @ Wv
        scores = q @ k.mT / np.sqrt(Wq.shape[1]) + mask
        weights = tg.softmax(scores, axis=-1)
        head = weights @ v
        parts.append(head)
    return tg.concat(parts, axis=-1) @ output


def _layer_norm(x, gain, shift):
    """Written out."""
    centred = x - tg.mean(x, axis=-1, keepdims=True)
    variance = tg.mean(centred * centred, axis=-1, keepdims=True)
    return centred / tg.sqrt(variance + 1e-5) * gain + shift


def _block(x, heads, matrices, vectors, mask, scope):
    """A block of the transformer, which normalises first."""
    Wo, W1, W2 = matrices
    gain1, shift1, gain2, shift2, b1, b2 = vectors
    with scope("attention"):
        x = x + _attention(_layer_norm(x, gain1, shift1), heads, Wo, mask)
    with scope("mlp"):
        hidden = tg.gelu(_layer_norm(x, gain2, shift2) @ W1 + b1)
        x = x + (hidden @ W2 + b2)
    return x


def transformer(layers=12, heads=6, scopes=False, length=6, width=12, words=11, odd=None):
    """The loss of a transformer that predicts the next word; `odd` is a block that has another activation."""
    rng = np.random.default_rng(0)
    scope = tg.scope if scopes else lambda name: contextlib.nullcontext()

    def weights(*shape):
        return tg.parameter(rng.normal(size=shape) / np.sqrt(shape[0]))

    words_in, words_out = tg.Tensor(rng.integers(words, size=length)), tg.Tensor(rng.integers(words, size=length))
    mask = tg.Tensor(np.triu(np.full((length, length), -1e9), 1))
    E, P, W = weights(words, width), weights(length, width), weights(width, words)
    size = width // heads
    parameters = [
        (
            [tuple(weights(width, size) for _ in range(3)) for _ in range(heads)],
            (weights(width, width), weights(width, 4 * width), weights(4 * width, width)),
            [weights(n) for n in (width, width, width, width, 4 * width, width)],
        )
        for _ in range(layers)
    ]
    with scope("embedding"):
        x = tg.embedding(E, words_in) + P
    for i, (projections, matrices, vectors) in enumerate(parameters):
        with scope(f"block {i + 1}"):
            x = _block(x, projections, matrices, vectors, mask, scope)
        if i == odd:
            x = tg.tanh(x)
    logits = x @ W
    J = tg.cross_entropy(logits, words_out)
    return J


def recurrent(steps=100, width=5, each=False):
    """The loss of a recurrent net with shared weights, at its end or at each step."""
    rng = np.random.default_rng(0)
    U, W, V = (tg.parameter(rng.normal(size=(width, width)) / width) for _ in range(3))
    b = tg.parameter(np.zeros(width))
    h = tg.Tensor(np.zeros(width))
    xs = rng.normal(size=(steps, width))
    losses = []
    for x in xs:
        h = tg.tanh(W @ h + U @ x + b)
        if each:
            losses.append(tg.mse(V @ h, x))
    J = sum(losses) if each else tg.sum((V @ h) ** 2)
    return J


def deep(layers=12, width=8, m=20, activation=None):
    """The loss of a net of many equal layers, its parameters in a list."""
    rng = np.random.default_rng(0)
    X, Y = tg.Tensor(rng.normal(size=(3, m))), tg.Tensor((rng.random((1, m)) > 0.5).astype(float))
    sizes = [3, *[width] * (layers - 1), 1]
    parameters = [
        (tg.parameter(rng.normal(size=(after, before))), tg.parameter(np.zeros((after, 1))))
        for before, after in itertools.pairwise(sizes)
    ]
    A = X
    for i, (W, b) in enumerate(parameters):
        Z = W @ A + b
        A = tg.sigmoid(Z) if i == layers - 1 else (activation or {}).get(i, tg.tanh)(Z)
    J = tg.log_loss(A, Y)
    return J


def residual(stages=(3, 4, 6, 3), channels=2):
    """The loss of a small convolutional net with stages of residual blocks, each of more channels than the last."""
    rng = np.random.default_rng(0)

    def kernel(after, before, size=3):
        return tg.parameter(rng.normal(size=(after, before, size, size)) / before)

    images, labels = tg.Tensor(rng.normal(size=(2, 3, 8, 8))), tg.Tensor(rng.integers(4, size=2))
    x = tg.relu(tg.conv2d(images, kernel(channels, 3), padding=1))
    for stage, blocks in enumerate(stages):
        for _ in range(blocks):
            before, after = x.shape[1], channels * 2**stage
            y = tg.relu(tg.conv2d(x, kernel(after, before), padding=1))
            y = tg.conv2d(y, kernel(after, after), padding=1)
            shortcut = x if before == after else tg.conv2d(x, kernel(after, before, 1))
            x = tg.relu(y + shortcut)
    features = tg.mean(x, axis=(2, 3))
    logits = features @ tg.parameter(rng.normal(size=(after, 4)))
    J = tg.cross_entropy(logits, labels)
    return J


def tangle(ops=10_000, seed=0):
    """A scalar of many operations in which nothing repeats."""
    rng = np.random.default_rng(seed)
    functions = [tg.tanh, tg.sigmoid, tg.exp, tg.sin, tg.relu, tg.softplus]
    pool = [tg.parameter(rng.normal(size=3)) for _ in range(4)]
    while len(pool) < ops:
        a, b = (pool[-1 - int(rng.integers(min(30, len(pool))))] for _ in range(2))
        y = functions[rng.integers(6)](a) if rng.random() < 0.4 else a - b if rng.random() < 0.5 else a * 0.1 * b
        pool.append(tg.tanh(y))
    J = tg.sum(tg.stack(pool[-30:]))
    return J


MODELS = {
    "transformer": transformer,
    "scopes": lambda: transformer(scopes=True),
    "odd": lambda: transformer(odd=7),
    "recurrent": recurrent,
    "each": lambda: recurrent(each=True),
    "deep": deep,
    "residual": residual,
}
"""Each with a structure that is to be found."""
