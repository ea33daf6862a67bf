"""NumPy's own functions, called with a tensor: they record, under our names, or are refused with a reason."""
