"""Helpers for tests that look at the gradients of nodes."""

import dataclasses


def grad_of(*tensors):
    """Return the gradient of each tensor as a list, or None where it has no gradient."""
    return [None if x.grad is None else x.grad.tolist() for x in tensors]


def with_rules(node, wrap):
    """Replace the gradient rules of a node's op, for this node only."""
    node.op = dataclasses.replace(node.op, vjps=tuple(rule and wrap(rule) for rule in node.op.vjps))
