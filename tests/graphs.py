"""Random graphs."""

import numpy as np

import tinygraph as tg

SHAPES = [(3, 3), (3, 1), (1, 3), (2, 3), (), (3,)]
UNARY = [
    *(tg.exp, tg.tanh, tg.sigmoid, tg.relu, tg.softplus, tg.square, tg.abs),
    lambda x: -x,
    lambda x: x**3,
    lambda x: 2 * x,
    lambda x: x / 4,
    lambda x: x * 0.3 - 1,
    lambda x: 1 / (2 + x * x),
    lambda x: tg.log(x * x + 1),
    lambda x: tg.sqrt(x * x + 0.5),
    lambda x: tg.where(x > 0, x, 0.1 * x),
    lambda x: x.T,
    lambda x: x.reshape(-1, 1),
    lambda x: x[0],
    lambda x: tg.sum(x, axis=0, keepdims=True),
    lambda x: tg.mean(x, axis=1, keepdims=True),
    lambda x: tg.max(x, axis=0),
    lambda x: tg.broadcast_to(x, (2, *x.shape)),
]
BINARY = [
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (1 + y * y),
    lambda x, y: x @ y,
    tg.maximum,
    lambda x, y: tg.concat([x, y]),
    lambda x, y: tg.stack([x, y]),
]


def random_graph(seed: int) -> tg.Tensor:
    """Return a scalar that up to a dozen random ops, some of them named, compute from parameters and a constant."""
    rng = np.random.default_rng(seed)
    pool = [tg.parameter(rng.normal(size=SHAPES[rng.integers(len(SHAPES))])) for _ in range(3)]
    pool.append(tg.Tensor(rng.normal(size=(3, 3))))
    for _ in range(int(rng.integers(2, 14))):
        operands = [pool[rng.integers(len(pool))] for _ in range(2)]
        try:
            if rng.random() < 0.5:
                node = UNARY[rng.integers(len(UNARY))](operands[0])
            else:
                node = BINARY[rng.integers(len(BINARY))](*operands)
        except (tg.ShapeError, IndexError):
            continue
        if node.size > 200 or not np.isfinite(node.data).all() or np.abs(node.data).max(initial=0) > 1e6:
            continue
        if rng.random() < 0.3:
            node.name = "abcdefgh"[rng.integers(8)]
        pool.append(node)
    return sum((tg.mean if rng.random() < 0.5 else tg.sum)(node) for node in pool[-2:])
