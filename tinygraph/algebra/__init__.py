"""Simplification of a recorded expression to the shortest one with the same value, over chosen atoms.

An expression is read as a sum of products with whole powers and exact rational coefficients. A factor is a symbol (an
atom: a node that is not taken apart), a sum in parentheses, or a call of some other op, such as a matrix product, whose
operands are sums again. In that form, equal terms cancel by themselves. The form is written back as a graph: as it
stood, multiplied out, or with common factors taken out again, whichever has the fewest operations. At a tie, it is
written as it stood.

`terms` defines that form, `normal_form` brings nodes into it by the rules of arithmetic and by the `identities`,
`shortest` makes it short, and `nodes` turns it into a graph again. The values may differ only by rounding, except where
a cancelled factor was 0 or infinite. For a program, `computed` ensures that no product leaves the range of floating
numbers unless the graph computes that product itself.
"""
