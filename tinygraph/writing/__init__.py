"""How a graph is written: the names of its nodes, mathematics as text and LaTeX, and NumPy source."""
