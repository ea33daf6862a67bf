"""The elementwise functions as PyTorch has them."""


def method(name):
    return lambda torch, *xs, **params: getattr(torch, name)(*xs, **params)


def functional(name):
    return lambda torch, *xs, **params: getattr(torch.nn.functional, name)(*xs, **params)


def clip(torch, x, *bounds, min=None, max=None):
    if bounds:  # of other shapes its gradient is refused
        return torch.clip(*torch.broadcast_tensors(x, *bounds))
    return torch.clip(x, min, max)


NAMES = """
abs acos acosh add asin asinh atan atan2 atanh ceil copysign cos cosh deg2rad divide erf erfc exp exp2 expm1
floor fmax fmin fmod hypot log log10 log1p log2 logaddexp logaddexp2 logit maximum minimum multiply nan_to_num negative
pow rad2deg reciprocal remainder sigmoid sign sin sinc sinh sqrt square subtract tan tanh trunc where xlogy
"""
ACTIVATIONS = """
celu elu gelu hardswish hardtanh leaky_relu mish relu relu6 selu silu softplus softsign
"""

# Without digamma, whose derivative PyTorch computes to some 9 digits.
ORACLE = {name: method(name) for name in NAMES.split()}
ORACLE |= {name: functional(name) for name in ACTIVATIONS.split()}
ORACLE |= {
    "astype": lambda torch, x, dtype: x.to(getattr(torch, dtype.__name__)),
    "cbrt": lambda torch, x: torch.sign(x) * torch.abs(x) ** (1 / 3),
    "clip": clip,
    "digamma_derivative": lambda torch, x, order: torch.polygamma(order, x),
    "floor_divide": lambda torch, x, y: torch.div(x, y, rounding_mode="floor"),
    "gammaln": lambda torch, x: torch.lgamma(x),
    "gelu_tanh": lambda torch, x: torch.nn.functional.gelu(x, approximate="tanh"),
    "hardsigmoid": lambda torch, x: torch.nn.functional.relu6(x + 3) / 6,  # its own divides in float32
    "log_sigmoid": lambda torch, x: torch.nn.functional.logsigmoid(x),
    "modf": lambda torch, x: torch.cat([torch.frac(x).ravel(), torch.trunc(x).ravel()]),
    "ndtr": lambda torch, x: torch.special.ndtr(x),
    "round": lambda torch, x, decimals=0: torch.round(x, decimals=decimals),
}
