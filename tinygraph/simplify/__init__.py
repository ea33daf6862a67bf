"""Simplification: a recorded expression to the shortest one of the same value, over chosen atoms.

An expression is read as a sum of products with whole powers and exact rational coefficients. What is multiplied is a
symbol (an atom: a node that is not looked into), a sum in parentheses, or a call of some other op, such as a matrix
product, whose operands are again sums. In that form equal terms cancel by themselves. It is written back as a graph:
as it stood, multiplied out, or with common factors taken out again, whichever has the fewest operations; at a tie, as
it stood.

`terms` is that form, `reading` brings nodes into it, by the rules of arithmetic and by `tinygraph.identities`,
`shortest` makes it short, `writing` makes it a graph again. Rounding is the only difference there can be, except where
a cancelled factor was 0 or infinite; for a program `computed` sees to it that no product leaves the range of floating
numbers which the graph does not compute.
"""

from .computed import Computed as Computed
from .reading import Reader as Reader
from .shortest import expanded as expanded
from .shortest import shortest as shortest
from .shortest import simplified as simplified
from .terms import ONE as ONE
from .terms import Base as Base
from .terms import Call as Call
from .terms import Params as Params
from .terms import Product as Product
from .terms import Sum as Sum
from .terms import Symbol as Symbol
from .terms import added as added
from .terms import as_product as as_product
from .terms import common_factor as common_factor
from .terms import has_elements as has_elements
from .terms import multiplied as multiplied
from .terms import number as number
from .terms import of as of
from .terms import only_base as only_base
from .terms import power as power
from .terms import symbol as symbol
from .writing import written as written
