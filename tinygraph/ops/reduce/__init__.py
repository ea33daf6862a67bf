"""Ops that combine the elements along axes: sums, statistics, norms, running sums, and sorting."""
