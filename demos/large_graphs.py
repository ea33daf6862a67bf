"""Graphs too large for a screen: a transformer of twelve layers, and a recurrent network of a hundred steps.

    python demos/large_graphs.py

The transformer groups its operations by `tg.scope`. The recurrent network is a plain loop, and `draw` finds by itself
the part that repeats. Pictures and pages go to out/.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

import tinygraph as tg

OUT = Path("out")


def weights(rng, *shape):
    return tg.parameter(rng.normal(size=shape) / np.sqrt(shape[0]))


def transformer(layers, rng, heads=4, length=8, width=32, words=50):
    """Return the loss of a transformer that predicts the next word (Vaswani et al. 2017), with layer norm first."""
    text = rng.integers(words, size=length + 1)
    read, asked = tg.Tensor(text[:-1]), tg.Tensor(text[1:])
    E, P, U = weights(rng, words, width), weights(rng, length, width), weights(rng, width, words)
    with tg.scope("embedding"):
        x = tg.embedding(E, read) + P
    for i in range(layers):
        Wq, Wk, Wv, Wo = (weights(rng, width, width) for _ in range(4))
        W1, W2 = weights(rng, width, 4 * width), weights(rng, 4 * width, width)
        g1, s1, g2, s2 = (tg.parameter(start) for start in (np.ones(width), np.zeros(width)) * 2)
        with tg.scope(f"block {i + 1}"):
            with tg.scope("attention"):
                y = tg.layer_norm(x, width, g1, s1)
                q, k, v = (tg.moveaxis(tg.reshape(y @ W, (length, heads, -1)), 1, 0) for W in (Wq, Wk, Wv))
                seen = tg.scaled_dot_product_attention(q, k, v, is_causal=True)
                x = x + tg.reshape(tg.moveaxis(seen, 0, 1), (length, width)) @ Wo
            with tg.scope("mlp"):
                hidden = tg.gelu(tg.layer_norm(x, width, g2, s2) @ W1)
                x = x + hidden @ W2
    logits = x @ U
    J = tg.cross_entropy(logits, asked)
    return J


def recurrent(steps, rng, width=16):
    """Return the loss of a recurrent network at the end of a sequence."""
    W, U, V = (weights(rng, width, width) for _ in range(3))
    b = tg.parameter(np.zeros(width))
    h = tg.Tensor(np.zeros(width))
    for x in rng.normal(size=(steps, width)):
        h = tg.tanh(W @ h + U @ x + b)
    J = tg.sum((V @ h) ** 2)
    return J


def main():
    rng = np.random.default_rng(0)
    J = transformer(12, rng)
    J.backward()
    print(f"A transformer: {len(tg.toposort(J))} tensors\n")
    print(tg.summary(J, depth=1))
    picture = tg.draw(J, title="a transformer of 12 layers")
    print(f"\n{picture}")
    OUT.mkdir(exist_ok=True)
    for name in ("transformer.png", "transformer.html"):
        print(f"drawn in {picture.save(OUT / name)}")
    print(f"the inside of a block in {tg.draw(J, focus='block 7/attention').save(OUT / 'attention.png')}")

    J = recurrent(100, rng)
    J.backward()
    picture = tg.draw(J, title="a recurrent network of 100 steps")
    print(f"\nA recurrent network: {len(tg.toposort(J))} tensors\n\n{picture}")
    print(f"drawn in {picture.save(OUT / 'recurrent.png')}")


if __name__ == "__main__":
    main()
