"""A program is made anew as soon as what its function reads from outside has changed, and only then."""

import argparse
import array
import collections
import contextlib
import contextvars
import copy
import dataclasses
import enum
import functools
import gc
import math
import operator
import sys
import threading
import types
import warnings
import weakref

import numpy as np
import pytest

import tinygraph as tg
from tinygraph.programs.facts import MOST
from tinygraph.programs.guards import Guard
from tinygraph.programs.peeking import exact

X = np.array([1.0, 2.0, 3.0])
RATE = 0.5
HELPED = [0.5]


def helper(x):
    return x * HELPED[0]


class Color(enum.Enum):
    RED = 1.0
    BLUE = 2.0


@dataclasses.dataclass
class Config:
    rate: float = 0.5
    name: str = "plain"


@dataclasses.dataclass(slots=True)
class Slotted:
    rate: float = 0.5


class Model:
    rate = 0.5

    def __init__(self):
        self.scale, self.layers, self.history = 2.0, [Config(), Config()], []

    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        for layer in self.layers:
            x = x * layer.rate
        return x * self.scale * self.rate * self.twice * self.fixed() * self.made(1.0)

    @property
    def twice(self):
        return 2.0 * self.scale

    @staticmethod
    def fixed():
        return HELPED[0]

    @classmethod
    def made(cls, y):
        return cls.rate * y


class Sub(Model):
    def forward(self, x):
        return super().forward(x) * 3.0


class Private:
    def __init__(self):
        self.__rate = 0.5

    def __call__(self, x):
        return x * self.__rate

    def set(self, value):
        self.__rate = value


class Asked:
    """Attributes come from a dict."""

    def __init__(self):
        self.held = {"rate": 0.5}

    def __getattr__(self, name):
        return self.held[name]


class Rates(dict):
    def __getattr__(self, name):
        return self[name]


Pair = collections.namedtuple("Pair", "rate other")


def case(function):
    """A case gives a function of an array, and changes that it must see."""
    CASES.append(pytest.param(function, id=function.__name__))
    return function


CASES = []


@case
def item_of_a_dict():
    s = {"rate": 0.5}
    return lambda x: x * s["rate"], [lambda: s.update(rate=0.25), lambda: s.update(rate=1), lambda: s.update(rate=True)]


@case
def item_of_an_item():
    s = {"opt": {"rates": [0.5, 0.25]}}
    return lambda x: x * s["opt"]["rates"][-1], [
        lambda: s["opt"]["rates"].__setitem__(1, 0.1),
        lambda: s.update(opt={"rates": [3.0]}),
    ]


@case
def rebound_variable():
    rate = 0.5

    def f(x):
        return x * rate

    def change():
        nonlocal rate
        rate = rate + 1

    return f, [change, change]


@case
def variable_of_a_function_within():
    rate = 0.5

    def f(x):
        return sum(y * rate for y in [x, x]) + tg.grad(lambda y: tg.sum(y * rate))(x) + next(rate for _ in range(2))

    def change():
        nonlocal rate
        rate = 0.25

    return f, [change]


@case
def global_number():
    def f(x):
        return x * RATE

    return f, [lambda: globals().update(RATE=0.25), lambda: globals().update(RATE=0.5)]


@case
def global_of_a_helper():
    return lambda x: helper(x), [lambda: HELPED.__setitem__(0, 0.25), lambda: HELPED.__setitem__(0, 0.5)]


@case
def helper_that_is_replaced():
    old = helper
    return lambda x: helper(x), [
        lambda: globals().update(helper=lambda x: x * 7.0),
        lambda: globals().update(helper=old),
    ]


@case
def builtin_that_is_shadowed():
    return lambda x: sum([x, x]), [lambda: globals().update(sum=lambda xs: xs[0] * 5.0), lambda: globals().pop("sum")]


@case
def grown_list():
    rates = [0.5, 0.25]

    def f(x):
        for rate in rates:
            x = x * rate
        return x

    return f, [lambda: rates.append(3.0), lambda: rates.reverse(), lambda: rates.__setitem__(0, -0.0), rates.clear]


@case
def zeros_of_either_sign():
    s = {"zero": 0.0}
    return lambda x: x * math.copysign(1.0, s["zero"]), [lambda: s.update(zero=-0.0), lambda: s.update(zero=math.nan)]


@case
def deque_and_set():
    rates, kinds = collections.deque([0.5]), {"a"}

    def f(x):
        return x * rates[0] * len(kinds) * (2.0 if "b" in kinds else 1.0)

    return f, [lambda: rates.appendleft(0.1), lambda: kinds.add("b"), lambda: (kinds.remove("a"), kinds.add("c"))]


@case
def dicts_of_other_kinds():
    plain, default, ordered = collections.UserDict(a=1.0), collections.defaultdict(float, a=1.0), Rates(a=1.0)
    counted = collections.Counter("aab")
    seen = types.MappingProxyType(below := {"a": 1.0})

    def f(x):
        return x * plain["a"] * default["a"] * ordered.a * counted["a"] * seen["a"]

    return f, [
        lambda: plain.update(a=2.0),
        lambda: default.update(a=3.0),
        lambda: ordered.update(a=5.0),
        lambda: counted.update("a"),
        lambda: below.update(a=7.0),
    ]


@case
def order_of_keys():
    weights = {"a": 2.0, "b": 3.0}

    def f(x):
        for weight in weights.values():
            x = x * weight + 1.0
        return x

    return f, [lambda: weights.__setitem__("a", weights.pop("a"))]


@case
def missing_key():
    s = {}
    return lambda x: x * s.get("rate", 0.5), [lambda: s.update(rate=0.25)]


@case
def attribute():
    cfg = types.SimpleNamespace(rate=0.5, opt=types.SimpleNamespace(decay=0.1))
    return lambda x: x * cfg.rate - cfg.opt.decay, [
        lambda: setattr(cfg, "rate", 0.25),
        lambda: setattr(cfg.opt, "decay", 0.2),
        lambda: setattr(cfg, "opt", types.SimpleNamespace(decay=3.0)),
    ]


@case
def attributes_of_data_classes():
    cfg, slotted, space, pair = Config(), Slotted(), argparse.Namespace(rate=0.5), [Pair(0.5, 1.0)]

    def f(x):
        return x * cfg.rate * slotted.rate * space.rate * pair[0].rate

    return f, [
        lambda: setattr(cfg, "rate", 0.25),
        lambda: setattr(slotted, "rate", 0.25),
        lambda: setattr(space, "rate", 0.25),
        lambda: pair.__setitem__(0, Pair(0.25, 1.0)),
    ]


@case
def object_that_is_handed_on():
    cfg, asked = Config(), Asked()

    def scaled(x, c):
        return x * c.rate

    return lambda x: scaled(scaled(x, cfg), asked), [
        lambda: setattr(cfg, "rate", 0.25),
        lambda: asked.held.update(rate=0.1),
        lambda: setattr(asked, "rate", 0.7),
    ]


@case
def attributes_by_reflection():
    one, two, three, four = Config(), Config(), Config(), Config()

    def f(x):
        name = "ra" + "te"
        return x * vars(one)["rate"] * getattr(two, name) * dataclasses.asdict(three)["rate"] * four.__dict__["rate"]

    return f, [functools.partial(setattr, c, "rate", 0.25) for c in (one, two, three, four)]


@case
def attribute_that_is_not_there():
    cfg = Config()
    return lambda x: x * getattr(cfg, "scale", 2.0), [lambda: setattr(cfg, "scale", 3.0)]


@case
def attribute_by_attrgetter():
    cfg, get = types.SimpleNamespace(opt=Config()), operator.attrgetter("opt.rate")
    return lambda x: x * get(cfg), [lambda: setattr(cfg.opt, "rate", 0.25)]


@case
def private_attribute():
    model = Private()
    return lambda x: model(x), [lambda: model.set(0.25)]


def changes_of(model):
    kind = type(model)
    return [
        lambda: setattr(model, "scale", 3.0),
        lambda: setattr(model.layers[1], "rate", 0.25),
        lambda: model.layers.append(Config(0.1)),
        lambda: setattr(kind, "rate", 0.1),
        lambda: setattr(model, "rate", 0.2),
        lambda: delattr(model, "rate"),
        lambda: setattr(kind, "twice", property(lambda self: 5.0)),
        lambda: setattr(kind, "fixed", staticmethod(lambda: 6.0)),
        lambda: setattr(kind, "made", classmethod(lambda cls, y: 7.0 * y)),
        lambda: setattr(kind, "forward", lambda self, x: x * self.scale),
        lambda: setattr(model, "scale", 11.0),
        lambda: setattr(model, "forward", lambda x: x * 13.0),
        lambda: setattr(kind, "__call__", lambda self, x: x * 17.0),
    ]


def fresh_model(base):
    return type(base.__name__, (base,), {})()


@case
def model_that_is_called():
    model = fresh_model(Model)
    return lambda x: model(x), changes_of(model)


@case
def method_of_a_model():
    model = fresh_model(Sub)
    return lambda x: model.forward(x), changes_of(model)[:-1]


@case
def model_in_an_object():
    state = types.SimpleNamespace(model=fresh_model(Model))
    return lambda x: state.model(x), [*changes_of(state.model)[:9], lambda: setattr(state, "model", Sub())]


@case
def bound_method():
    model = fresh_model(Model)
    return model.forward, changes_of(model)[:9]


@case
def callable_object():
    model = fresh_model(Sub)
    return model, changes_of(model)[:9]


@case
def class_attribute():
    class Local:
        rate = 0.5

    class Below(Local):
        pass

    return lambda x: x * Local.rate * Below.rate, [
        lambda: setattr(Local, "rate", 0.25),
        lambda: setattr(Below, "rate", 0.125),
    ]


@case
def class_that_is_called():
    class Scaled:
        by = 0.5

        def __init__(self, x):
            self.x = x * self.by * RATE

        def value(self):
            return self.x

    return lambda x: Scaled(x).value(), [
        lambda: setattr(Scaled, "by", 0.25),
        lambda: globals().update(RATE=0.25),
        lambda: globals().update(RATE=0.5),
        lambda: setattr(Scaled, "value", lambda self: self.x * 2.0),
    ]


@case
def operators_of_an_object():
    class Factor:
        def __init__(self):
            self.by, self.at = 2.0, [3.0, 4.0]

        def __getitem__(self, i):
            return self.at[i]

        def __len__(self):
            return len(self.at)

        def __bool__(self):
            return self.by > 1

    factor = Factor()
    return lambda x: x * factor[0] * len(factor) * (2.0 if factor else 1.0), [
        lambda: factor.at.append(1.0),
        lambda: factor.at.__setitem__(0, 9.0),
        lambda: setattr(factor, "by", 0.5),
    ]


@case
def partial_function():
    def scaled(x, by, more):
        return x * by["rate"] * more

    options = {"rate": 0.5}
    f = functools.partial(scaled, by=options, more=2.0)
    return f, [lambda: options.update(rate=0.25), lambda: f.keywords.update(more=3.0)]


@case
def partial_function_in_a_closure():
    f = functools.partial(helper)
    return lambda x: f(x), [lambda: HELPED.__setitem__(0, 0.25), lambda: HELPED.__setitem__(0, 0.5)]


@case
def default_arguments():
    def f(x, rate=0.5, options={"rate": 2.0}, *, scale=3.0):  # noqa: B006
        return x * rate * options["rate"] * scale

    return f, [
        lambda: f.__defaults__[1].update(rate=4.0),
        lambda: setattr(f, "__defaults__", (0.25, {"rate": 2.0})),
        lambda: f.__kwdefaults__.update(scale=5.0),
    ]


@case
def attribute_of_a_function():
    def f(x):
        return x * f.rate

    f.rate = 0.5
    return f, [lambda: setattr(f, "rate", 0.25)]


@case
def code_of_a_function():
    def f(x):
        return x * 0.5

    return f, [lambda: setattr(f, "__code__", (lambda x: x * 0.25).__code__)]


@case
def decorated_function():
    options = {"rate": 0.5}

    def decorate(function):
        @functools.wraps(function)
        def wrapper(x):
            return function(x) * options["rate"]

        return wrapper

    @decorate
    def f(x):
        return x * RATE

    return f, [
        lambda: options.update(rate=0.25),
        lambda: globals().update(RATE=0.25),
        lambda: globals().update(RATE=0.5),
    ]


@case
def transforms():
    s = {"rate": 0.5}

    def loss(x):
        return tg.sum(x**2) * s["rate"]

    @tg.custom_gradient
    def doubled(x):
        return x * 2.0, lambda g: g * s["rate"]

    return lambda x: tg.grad(tg.checkpoint(loss))(x) + tg.grad(lambda y: tg.sum(doubled(y)))(x), [
        lambda: s.update(rate=0.25)
    ]


@case
def transform_that_is_compiled():
    s = {"rate": 0.5}
    return tg.grad(lambda x: tg.sum(x**2) * s["rate"]), [lambda: s.update(rate=0.25)]


@case
def compiled_function_within():
    s = {"rate": 0.5}
    inner = tg.compile(lambda x: x * s["rate"])
    return lambda x: inner(x) * 2.0, [lambda: s.update(rate=0.25)]


@case
def memoised_and_library_functions_within():
    s = {"rate": 0.5}

    def scaled(y):
        return y * s["rate"]

    cached = functools.lru_cache(scaled)
    return lambda x: functools.reduce(lambda y, _: scaled(y), range(2), x) * cached(2.0), [
        lambda: (s.update(rate=0.25), cached.cache_clear())
    ]


@case
def recursion():
    depth = [2]

    def f(x, n=None):
        n = depth[0] if n is None else n
        return x if n == 0 else f(x * 0.5, n - 1)

    return f, [lambda: depth.__setitem__(0, 3)]


@case
def flag_of_a_branch():
    cfg = types.SimpleNamespace(train=True, mode=Color.RED, kind="a", none=None)

    def f(x):
        if cfg.train:
            x = x * 2.0
        if cfg.none is None:
            x = x + 1.0
        return x * cfg.mode.value * (3.0 if cfg.kind == "a" else 5.0)

    return f, [
        lambda: setattr(cfg, "train", False),
        lambda: setattr(cfg, "mode", Color.BLUE),
        lambda: setattr(cfg, "kind", "b"),
        lambda: setattr(cfg, "none", 1),
    ]


@case
def buffers_and_variables_of_a_context():
    numbers, local, variable = array.array("d", [0.5]), threading.local(), contextvars.ContextVar("rate", default=None)
    local.rate, raw = 0.5, bytearray(b"1")
    variable.set(0.5)
    return lambda x: x * numbers[0] * local.rate * variable.get() * raw[0], [
        lambda: numbers.__setitem__(0, 0.25),
        lambda: setattr(local, "rate", 0.25),
        lambda: variable.set(0.25),
        lambda: raw.__setitem__(0, 50),
    ]


@case
def code_without_a_module():
    variables = {}
    text = (
        "class A:\n    rate = 0.5\n    def __init__(self): self.by = 2.0\na = A()\ndef f(x): return x * a.rate * a.by"
    )
    exec(text, variables)
    return variables["f"], [lambda: setattr(variables["A"], "rate", 0.25), lambda: setattr(variables["a"], "by", 3.0)]


@case
def views_of_dicts():
    s = {"rate": 0.5}
    values, keys = s.values(), s.keys()
    return lambda x: x * sum(values) * len(keys), [lambda: s.update(rate=0.25), lambda: s.update(more=2.0)]


@case
def attribute_of_a_metaclass():
    class Meta(type):
        rate = 0.5

    class Local(metaclass=Meta):
        pass

    return lambda x: x * Local.rate, [lambda: setattr(Meta, "rate", 0.25), lambda: setattr(Local, "rate", 0.125)]


@case
def method_by_methodcaller():
    model = fresh_model(Model)
    return lambda x: operator.methodcaller("forward", x)(model), changes_of(model)[:9]


@case
def rule_of_an_op_of_ones_own():
    s = {"rate": 0.5}

    @tg.op("elementwise", lambda xp, g, y, x: g * s["rate"], run=lambda x: x * 2.0)
    def ruled_in_test_guards(xp, x):
        return xp.ruled_in_test_guards(x)

    return tg.grad(lambda x: tg.sum(ruled_in_test_guards(x))), [lambda: s.update(rate=0.25)]


@case
def arguments_by_stars():
    def scaled(x, rate, by):
        return x * rate * by

    rates, options = [0.5], {"by": 2.0}
    return lambda x: scaled(x, *rates, **options), [lambda: rates.__setitem__(0, 0.25), lambda: options.update(by=3.0)]


@case
def attribute_of_an_object_of_a_library():
    held = np.polynomial.Polynomial([1.0, 2.0])
    return lambda x: x * held.coef[1], [lambda: setattr(held, "coef", np.array([1.0, 5.0]))]


@case
def attributes_that_are_all_computed():
    class Computed:
        def __init__(self):
            self.held = {"rate": 0.5}

        def __getattribute__(self, name):
            return object.__getattribute__(self, "held")[name]

    computed = Computed()
    held = object.__getattribute__(computed, "__dict__")["held"]
    return lambda x: x * computed.rate, [lambda: held.update(rate=0.25)]


@case
def functions_by_type():
    s = {"rate": 0.5}

    @functools.singledispatch
    def scaled(x):
        return x

    @scaled.register
    def _(x: tg.Tensor):
        return x * s["rate"]

    return lambda x: scaled(x), [lambda: s.update(rate=0.25)]


@case
def descriptors():
    class Rate:
        def __init__(self):
            self.held = 0.5

        def __get__(self, owner, kind):
            return self.held * 2.0

    class Model:
        rate, by = Rate(), functools.cached_property(lambda self: RATE)

        @functools.lru_cache  # noqa: B019
        def remembered(self):
            return 3.0

        def scaled(self, x, by):
            return x * self.rate * by * RATE

        twice = functools.partialmethod(scaled, by=2.0)

    model = Model()
    return lambda x: model.scaled(x, model.rate) * model.twice(x) * model.by * model.remembered(), [
        lambda: setattr(vars(Model)["rate"], "held", 0.25),
        lambda: setattr(model, "by", 7.0),
        lambda: setattr(Model, "remembered", lambda self: 5.0),
        lambda: setattr(Model, "twice", lambda self, x: x),
        lambda: globals().update(RATE=0.25),
    ]


@case
def numbers_of_numpy():
    s = {"f": np.float32(0.5), "i": np.int64(3), "d": np.dtype("f4")}
    return lambda x: tg.astype(x * s["f"] * s["i"], s["d"]), [
        lambda: s.update(f=np.float64(0.5)),
        lambda: s.update(i=np.int64(4)),
        lambda: s.update(d=np.dtype("f8")),
    ]


@case
def arrays():
    a, s = np.array([1.0, 2.0, 3.0]), {"big": np.ones(20_000), "F": np.ones((200, 100), order="F")[::2]}

    def f(x):
        return x * a * tg.sum(s["big"]) * tg.sum(s["F"])

    return f, [
        lambda: a.__setitem__(1, 5.0),
        lambda: a.__imul__(-0.0),
        lambda: s.update(big=np.full(20_000, 2.0)),
        lambda: s["big"].__iadd__(1.0),
        lambda: s["F"].__iadd__(1.0),
        lambda: s.update(big=np.zeros(10)),
    ]


@case
def shape_of_an_array():
    s = {"a": np.zeros((2, 3))}
    return lambda x: x / s["a"].shape[1] / len(s["a"]), [
        lambda: s["a"].resize((3, 2), refcheck=False),
        lambda: s.update(a=np.zeros((5, 1))),
    ]


@case
def parameters():
    s = {"W": tg.parameter(np.array(2.0)), "layers": [tg.parameter(np.ones(3))]}

    def change():
        s["W"] = tg.parameter(np.array(3.0))

    return lambda x: x * s["W"] * s["layers"][0], [
        change,
        lambda: setattr(s["W"], "data", np.array(5.0)),
        lambda: s["layers"].__setitem__(0, tg.parameter(np.full(3, 2.0))),
    ]


@case
def modules():
    sys.modules["settings_of_a_user"] = module = types.ModuleType("settings_of_a_user")
    module.rate = 0.5

    def f(x):
        import settings_of_a_user
        from settings_of_a_user import rate

        return x * settings_of_a_user.rate * rate * module.rate

    return f, [lambda: setattr(module, "rate", 0.25)]


@case
def generators():
    rates = (0.5, 0.25)

    def each():
        yield from rates

    def f(x):
        for rate in each():
            x = x * rate
        return x

    def change():
        nonlocal rates
        rates = (0.5, 0.1, 0.3)

    return f, [change]


@case
def cycles():
    node = types.SimpleNamespace(rate=0.5)
    node.me = [node]

    def handed_on(n):
        return n.me[0].me[0].rate

    return lambda x: x * handed_on(node), [lambda: setattr(node, "rate", 0.25)]


@case
def same_object_twice():
    a, b = [0.5], [0.5]
    s = {"a": a, "b": a}
    return lambda x: x * len({id(v) for v in s.values()}), [lambda: s.update(b=b)]


@case
def comparisons_of_dataclasses():
    @dataclasses.dataclass(order=True, unsafe_hash=True)
    class Ordered:
        rate: float = 0.5

    one, table = Ordered(), {Ordered(0.5): 1.0, Ordered(3.0): 4.0, Ordered(7.0): 5.0}
    return (
        lambda x: (
            x * (2.0 if one == Ordered() else 3.0) * (1.0 if one < Ordered(5.0) else 4.0) * table[one]
            + (1.0 if one in [Ordered()] else 0.0)
        ),
        [lambda: setattr(one, "rate", 3.0), lambda: setattr(one, "rate", 7.0)],
    )


@case
def order_of_a_sorted_list():
    @dataclasses.dataclass(order=True)
    class Ordered:
        rate: float = 0.5

    held = [Ordered(1.0), Ordered(2.0)]
    return lambda x: x * sorted(held)[0].rate, [lambda: setattr(held[0], "rate", 3.0)]


class Shown:
    mode = "a"

    def __repr__(self):
        return self.mode


@case
def what_an_object_shows():
    shown, config, rates = Shown(), Config(), {"a": 1.0, "b": 2.0}
    return lambda x: x * rates[f"{shown!r}"] * rates[str(shown)] * len(f"{config}") * len(repr(config)), [
        lambda: setattr(shown, "mode", "b"),
        lambda: setattr(config, "name", "a longer one"),
    ]


@case
def attribute_within_a_format():
    config = Config()
    return lambda x: x * float("{0.rate}".format(config)) * float("{c.rate:.2f}".format(c=config)), [  # noqa: UP030, UP032
        lambda: setattr(config, "rate", 0.25)
    ]


@case
def matched_by_class():
    config = Config()

    def f(x):
        match config:
            case Config(rate=rate, name="plain"):
                return x * rate
            case Config(rate):
                return x + rate

    return f, [lambda: setattr(config, "rate", 0.25), lambda: setattr(config, "name", "other")]


class Level(enum.Enum):
    LOW = 1

    def __init__(self, number):
        self.rate = number / 2

    def scaled(self, x):
        return x * HELPED[0] * self.rate


class Held(enum.Enum):
    RATES = [0.5]  # noqa: RUF012


@case
def methods_and_attributes_of_members():
    return lambda x: Level.LOW.scaled(x) * Level.LOW.rate * Held.RATES.value[0], [
        lambda: HELPED.__setitem__(0, 0.25),
        lambda: setattr(Level.LOW, "rate", 0.25),
        lambda: Held.RATES.value.__setitem__(0, 0.75),
    ]


@case
def names_that_are_not_written():
    module, name = types.ModuleType("made"), "rate"
    module.rate = 0.5

    class Namespace:
        rate = 0.5

    return lambda x: x * getattr(module, name) * getattr(Namespace, name) * sum(vars(module)[k] for k in [name]), [
        lambda: setattr(module, "rate", 0.25),
        lambda: setattr(Namespace, "rate", 0.25),
    ]


@case
def functions_by_other_names():
    config, read, name = Config(), getattr, "rate"
    return lambda x: x * read(config, name), [lambda: setattr(config, "rate", 0.25)]


@case
def names_in_a_text_that_is_evaluated():
    return lambda x: x * eval("RATE") * eval("RATE * 2"), [lambda: globals().update(RATE=0.25)]


@case
def what_is_not_there_yet():
    class Namespace:
        pass

    module, one = types.ModuleType("made"), Namespace()

    def written(x):
        return x

    def f(x):
        for holder in (module, one, written):
            x = x * getattr(holder, "rate", 1.0)
        x = x * getattr(Namespace, "scale", 1.0) + hasattr(one, "other")
        with contextlib.suppress(AttributeError):
            x = x * module.extra
        with contextlib.suppress(AttributeError):
            x = x * Namespace.extra
        try:
            return x * later
        except NameError:
            return x

    def bind():
        nonlocal later
        later = 2.0

    later = 1.0
    del later
    return f, [
        lambda: setattr(module, "rate", 0.5),
        lambda: setattr(one, "rate", 0.5),
        lambda: setattr(written, "rate", 0.5),
        lambda: setattr(Namespace, "scale", 0.5),
        lambda: setattr(one, "other", 1),
        lambda: setattr(module, "extra", 3.0),
        lambda: setattr(Namespace, "extra", 3.0),
        bind,
    ]


@case
def properties_that_are_no_functions():
    held = [0.5]

    class Read:
        rate = property(operator.attrgetter("_rate"))
        scale = property(functools.partial(lambda factor, self: factor * held[0], 2.0))
        _rate = 0.5

    one = Read()
    return lambda x: x * one.rate * one.scale, [lambda: setattr(one, "_rate", 0.25), lambda: held.__setitem__(0, 3.0)]


@case
def objects_of_numpy():
    held = [0.5]
    each, p = np.vectorize(lambda n: n * held[0]), np.poly1d([2.0, 1.0])
    return lambda x: x * each(2.0) * p(1.0), [
        lambda: held.__setitem__(0, 0.25),
        lambda: p.coef.__setitem__(0, 5.0),
    ]


@case
def arrays_that_hold_more_than_numbers():
    masked, objects = np.ma.array([1.0, 2.0], mask=[0, 1]), np.empty(1, object)
    objects[0] = [2.0]
    return lambda x: x * masked.sum() * objects[0][0], [
        lambda: masked.__setitem__(1, 5.0),
        lambda: masked.mask.__setitem__(0, True),
        lambda: objects[0].__setitem__(0, 3.0),
    ]


@case
def weak_references():
    config = Config()
    reference = weakref.ref(config)
    return lambda x: x * reference().rate, [lambda: setattr(config, "rate", 0.25)]


@case
def objects_that_are_made():
    rates = [0.5]

    class Made:
        def __init__(self):
            self.rate = rates[0]

    one = Made()
    return lambda x: x * type(one)().rate, [lambda: rates.__setitem__(0, 0.25)]


def equal(ours, theirs):
    theirs = np.asarray(theirs.data if isinstance(theirs, tg.Tensor) else theirs)
    assert np.asarray(ours).dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:.*traced anew:UserWarning")
@pytest.mark.parametrize("make", CASES)
def test_a_change_is_seen_at_the_next_call(make):
    function, changes = make()
    compiled, scope = tg.compile(function), dict(globals())
    try:
        with np.errstate(all="ignore"):
            equal(compiled(X), function(tg.Tensor(X)))
            for i, change in enumerate(changes):
                change()
                equal(compiled(X), function(tg.Tensor(X)))
                (program,) = compiled.cache.values()
                equal(compiled(X), function(tg.Tensor(X)))
                assert [*compiled.cache.values()] == [program], f"made anew though nothing has changed, {i}"
                assert program.guard.change() is None
    finally:
        globals().update(scope)
        HELPED[0] = 0.5


def programs(compiled):
    return [*compiled.cache.values()]


def same_program(compiled, *changes):
    compiled(X)
    before = programs(compiled)
    for change in changes:
        change()
        compiled(X)
        assert programs(compiled) == before


def test_what_the_code_does_not_read_may_change():
    s, cfg, model = {"rate": 0.5, "step": 0}, Config(), fresh_model(Model)
    cfg.step, rows = 0, [1.0]

    def f(x):
        rows.append(1.0)
        model.last = model(x)
        return x * s["rate"] * cfg.rate * model.scale

    compiled = tg.compile(f)
    same_program(
        compiled,
        lambda: s.update(step=1),
        lambda: setattr(cfg, "step", 1),
        lambda: model.history.append(1.0),
        lambda: setattr(type(model), "other", 1.0),
        lambda: globals().update(not_read=1.0),
    )


def test_an_equal_value_is_no_change():
    s = {"a": 1000.5, "t": (1.0, (2, "b")), "n": math.nan, "x": np.ones(3), "cfg": Config(), "l": [0.25]}

    def f(x):
        scale = s["t"][0] if s["n"] != s["n"] else 2.0
        return x * s["a"] * scale * s["x"] * s["cfg"].rate * s["l"][0]

    compiled = tg.compile(f)
    same_program(
        compiled,
        lambda: s.update(a=float("1000.5")),
        lambda: s.update(t=(float("1"), (2, "b"))),
        lambda: s.update(n=float("nan")),
        lambda: s.update(x=np.ones(3)),
        lambda: s.update(cfg=Config()),
        lambda: s.update(l=[float("0.25")]),
    )


def test_each_program_has_a_guard_of_its_own():
    s = {"rate": 0.5}
    compiled = tg.compile(lambda x: x * s["rate"])
    for n in (1, 2):
        compiled(np.ones(n))
    s["rate"] = 0.25
    for n in (1, 2, 1):
        assert compiled(np.ones(n)).tolist() == [0.25] * n
    assert len(compiled.cache) == 2


def test_what_keeps_changing_is_named_once():
    s = {"rate": 0.0}
    compiled = tg.compile(lambda x: x * s["rate"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(30):
            s["rate"] = float(i)
            assert compiled(X).tolist() == (X * i).tolist()
    (warning,) = caught
    assert "mostly s['rate'], and each time" in str(warning.message)
    assert "make s['rate'] an argument of <lambda>" in str(warning.message)
    assert warning.filename == __file__


def test_something_that_is_gone_is_named_too():
    cfg = types.SimpleNamespace(rate=0.5, other=1.0)
    guard = Guard(lambda x: x * cfg.other * cfg.rate, {})
    assert guard.change() is None
    del cfg.rate
    assert guard.change() == "cfg.rate"


def test_no_code_of_the_users_is_run():
    def never(*_):
        raise AssertionError

    class Guarded:
        rate = property(never)
        __getattr__ = __eq__ = __len__ = __iter__ = __bool__ = never
        __hash__ = object.__hash__

        def __init__(self):
            self.scale = 2.0

    class Numbers(list):
        __len__ = __iter__ = __getitem__ = __eq__ = never

    class Names(dict):
        __len__ = __iter__ = __getitem__ = keys = values = items = get = __eq__ = never

    o, numbers, names, s = Guarded(), Numbers([1.0]), Names(a=1.0), {}
    s[o] = o

    def f(x):
        return (x, o, o.rate, o.scale, numbers, numbers[0], names, names["a"], s, len(o))

    guard = Guard(f, {})
    assert guard.change() is None
    list.append(numbers, 2.0)
    assert guard.change() == "numbers"


def test_objects_are_not_kept_alive():
    s = {"big": np.ones(100_000), "small": np.ones(3), "W": tg.parameter(np.ones(3)), "model": Model()}

    def f(x):
        return x * tg.sum(s["big"]) * s["small"] * s["model"].scale

    guard = Guard(f, {})
    watched = [weakref.ref(value) for value in s.values()]
    s.clear()
    gc.collect()
    assert [w() for w in watched] == [None] * 4
    assert guard.change() is not None


def test_a_guard_is_bounded():
    s = {"objects": [Config() for _ in range(10_000)], "numbers": [0.5] * 1_000_000}
    guard = Guard(lambda x: [s, x], {})
    assert len(guard.conditions) < MOST + 10
    s["numbers"][:] = [0.25] * 1_000_000
    assert guard.change() == "s['numbers']"


def test_a_single_entry_of_thousands_counts():
    s = {"numbers": [0.5] * 8000, "named": {str(i): 0.5 for i in range(8000)}, "array": np.ones(8000)}
    for change in (
        lambda: s["numbers"].__setitem__(7777, 0.25),
        lambda: s["named"].update({"7777": 0.25}),
        lambda: s["array"].__setitem__(7777, 0.25),
    ):
        guard = Guard(lambda x: [s, x], {})
        change()
        assert guard.change() is not None


def test_attributes_of_static_arguments():
    @tg.compile(static_argnums=1)
    def f(x, cfg):
        return x * cfg.rate

    cfg = types.SimpleNamespace(rate=0.5)
    with pytest.raises(TypeError, match="cannot be hashed"):
        f(X, cfg)
    model = fresh_model(Model)
    assert f(X, model)[0] == 0.5
    model.rate = 0.25
    assert f(X, model)[0] == f(x=X, cfg=model)[0] == 0.25
    other = fresh_model(Model)
    assert f(X, other)[0] == 0.5
    assert f(X, model)[0] == 0.25
    assert len(f.cache) == 3  # by keyword it is another program


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.0, -0.0),
        ((1.0,), (1,)),
        ((True, 1), (1, 1)),
        ((0.0, ("a", 0.0)), (0.0, ("a", -0.0))),
        (np.float32(1.0), np.float64(1.0)),
        (np.float64(0.0), np.float64(-0.0)),
        (frozenset({1.0}), frozenset({1})),
        (Pair(1, 2), Pair(1, 2.0)),
        (complex(0.0, 0.0), complex(0.0, -0.0)),
        (1, True),
    ],
)
def test_static_arguments_are_told_apart_by_type_and_value(one, other):
    assert exact(one) != exact(other)
    assert exact(one) == exact(copy.deepcopy(one))
    f = tg.compile(lambda x, n: x * (2.0 if repr(n) == repr(one) else 3.0), static_argnums=1)
    assert [f(X, one)[0], f(X, other)[0], f(X, one)[0]] == [2.0, 3.0, 2.0]
    assert len(f.cache) == 2


def test_a_static_nan_is_equal_to_itself():
    f = tg.compile(lambda x, n: x * 2.0, static_argnums=1)
    for _ in range(3):
        f(X, (float("nan"), np.float32("nan")))
    assert len(f.cache) == 1


def test_equal_objects_with_other_numbers_are_told_apart():
    @dataclasses.dataclass(frozen=True)
    class Frozen:
        rate: float

    f = tg.compile(
        lambda x, c: x * math.copysign(1.0, c.rate) * (2.0 if isinstance(c.rate, int) else 1.0), static_argnums=1
    )
    assert [f(X, Frozen(r))[0] for r in (0.0, -0.0, 0, 0.0)] == [1.0, -1.0, 2.0, 1.0]
    assert len(f.cache) == 3


def test_for_scipy_sees_changes_too():
    s, data = {"rate": 0.5}, np.ones(3)
    problem = tg.for_scipy(lambda x, d, by: tg.sum(x * x * d) * s["rate"] * by, X, data, by=2.0)
    assert problem.fun(X)[0] == 14.0
    s["rate"] = 0.25
    assert problem.fun(X)[0] == 7.0
    assert problem.hessp(X, X).tolist() == X.tolist()
    data *= 2.0
    s["rate"] = 0.5
    assert problem.fun(X)[0] == 28.0
    assert problem.hessp(X, X).tolist() == (4.0 * X).tolist()


def test_a_compiled_function_within_another_keeps_its_parameters_live():
    """Also where all that it is given are constants."""
    W = tg.parameter(np.array(2.0))
    inner = tg.compile(lambda x: x * W)
    inner(X)
    outer = tg.compile(lambda x: x + inner(X))
    assert outer(X).tolist() == (3.0 * X).tolist()
    W.data = np.array(5.0)
    assert outer(X).tolist() == (6.0 * X).tolist()
    assert tg.grad(lambda v: tg.sum(v * inner(X)))(X).tolist() == (5.0 * X).tolist()
