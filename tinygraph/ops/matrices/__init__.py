"""Products of matrices, linear systems and decompositions."""
