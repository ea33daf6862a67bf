"""Simplification: a recorded expression to the shortest one of the same value, over chosen atoms.

An expression is read as a sum of products with whole powers and exact rational coefficients. What is multiplied is a
symbol (an atom: a node that is not looked into), a sum in parentheses, or a call of some other op, such as a matrix
product, whose operands are again sums. In that form equal terms cancel by themselves. It is written back as a graph:
as it stood, multiplied out, or with common factors taken out again, whichever has the fewest operations; at a tie, as
it stood.

`terms` is that form, `normal_form` brings nodes into it, by the rules of arithmetic and by the `identities`,
`shortest` makes it short, and `nodes` makes it a graph again. Rounding is the only difference there can be, except
where a cancelled factor was 0 or infinite; for a program `computed` sees to it that no product leaves the range of
floating numbers which the graph does not compute.
"""
