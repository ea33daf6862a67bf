"""The graph: tensors, the records of ops, and how applying an op records a node."""
