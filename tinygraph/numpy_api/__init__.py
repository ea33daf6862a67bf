"""NumPy's own functions on tensors: they record under tinygraph's names, or are refused with a reason."""
