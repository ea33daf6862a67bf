"""Differentiation: the traversal from an output back to its inputs, and the transforms of functions on top of it."""
