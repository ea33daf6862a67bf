"""Programs: a function is traced, its graph optimised, and the result written as NumPy source."""
