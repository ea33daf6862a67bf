"""The laws that every op must keep, and the comparison of a gradient with numerical slopes."""

from .gradcheck import LawError as LawError
from .gradcheck import check_grads as check_grads
from .laws import check_op as check_op
