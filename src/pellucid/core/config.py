"""Settings as frozen dataclasses, and their plain JSON form.

A layer, a loss, an optimizer, a schedule: each is a frozen dataclass whose fields are its configuration. From the
fields follow, once for all classes, the check of their values (the annotation says what is allowed), the JSON form
``{"class": "Dense", "units": 10, ...}``, the repr and the equality.

Pellucid's own classes register themselves under their names when their module is loaded, which :func:`from_json` sees
to. Anybody else's class is keyed ``module:Class`` and is handed to :func:`from_json` by the caller: reading a file
never imports anybody else's code.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import numbers
import operator
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np

from pellucid.core import lazy
from pellucid.errors import ConfigError, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The numbers a field may hold, from ``low`` to ``high``; the bounds belong to it unless said otherwise."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.low_open else value >= self.low
        return above and (value < self.high if self.high_open else value <= self.high)

    def __str__(self) -> str:
        parts = []
        if self.low > -math.inf:
            parts.append(f"{'above' if self.low_open else 'at least'} {self.low:g}")
        if self.high < math.inf:
            parts.append(f"{'below' if self.high_open else 'at most'} {self.high:g}")
        return " and ".join(parts)


Count = Annotated[int, Range(1)]
NonNegative = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, low_open=True)]
Fraction = Annotated[float, Range(0, 1)]
FractionBelowOne = Annotated[float, Range(0, 1, high_open=True)]


class Config:
    """The base of everything that is configured. Subclasses are frozen dataclasses, abstract or final."""

    _registry: ClassVar[dict[str, type[Config]]] = {}

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Config._shown  # type: ignore[assignment, method-assign]  # before the dataclass makes its own
        home = cls.__module__.split(".")
        if home[0] == "pellucid" and home[1:2] != ["lab"] and not cls.__name__.startswith("_"):  # the lab is a user like others
            known = Config._registry.setdefault(cls.__name__, cls)
            if known.__module__ != cls.__module__:
                raise TypeError(f"two classes are called {cls.__name__}: in {known.__module__} and {cls.__module__}")

    def _shown(self) -> str:
        """How one would type it: ``Conv2D(filters=16, kernel_size=3, bias=False)``, settings at their default left out."""
        given = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value != field.default:
                given.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(given)})"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            kind = _hints(type(self))[field.name]  # type: ignore[arg-type]  # a class is hashable
            value = checked(getattr(self, field.name), kind, type(self).__name__, field.name)
            object.__setattr__(self, field.name, value)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def checked(value: Any, kind: Any, owner: str, name: str) -> Any:
    """``value`` as the annotation ``kind`` wants it (NumPy's numbers become Python's), or a ConfigError."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        value = checked(value, arguments[0], owner, name)
        for bound in arguments[1:]:
            if isinstance(bound, Range) and value not in bound:
                raise ConfigError(f"{owner}({name}={value!r}): {name} must be {bound}")
        return value
    if origin in (types.UnionType, typing.Union):
        refused_list = None
        for option in arguments:
            try:
                return checked(value, option, owner, name)
            except ConfigError as error:
                if option is not type(None):
                    refusal = error
                if isinstance(value, numbers.Number) and typing.get_origin(option) is Annotated:
                    raise  # a number outside its range: the range is the better message
                if isinstance(value, (tuple, list)) and typing.get_origin(option) is tuple:
                    refused_list = error  # a list where a list may stand: what is wrong inside is the better message
        if refused_list is not None:
            raise refused_list
        if len(arguments) == 2 and type(None) in arguments:
            raise refusal
        raise _refused(value, owner, name, " or ".join(_plain(option) for option in arguments))
    if origin is tuple:
        if not isinstance(value, (tuple, list)):
            raise _refused(value, owner, name, "a list or tuple")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(value):
            raise _refused(value, owner, name, f"{len(kinds)} values")
        return tuple(checked(item, item_kind, owner, name) for item, item_kind in zip(value, kinds, strict=True))
    if kind is Any:
        return value
    if kind is bool and isinstance(value, (bool, np.bool_)):
        return bool(value)
    if kind is int and not isinstance(value, bool):
        try:
            return operator.index(value)
        except TypeError:
            raise _refused(value, owner, name, "a whole number") from None
    if kind is float and isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # a whole number of more than 308 digits
            number = math.inf
        if not math.isfinite(number):
            raise _refused(value, owner, name, "a finite number")
        return number
    if isinstance(kind, type) and kind not in (int, float) and isinstance(value, kind):
        return value
    raise _refused(value, owner, name, _plain(kind))


def _plain(kind: Any) -> str:
    if typing.get_origin(kind) is Annotated:
        return _plain(typing.get_args(kind)[0])
    words = {int: "a whole number", float: "a number", bool: "True or False", str: "a string", type(None): "None"}
    return words.get(kind) or f"a {getattr(kind, '__name__', str(kind))}"


def _refused(value: Any, owner: str, name: str, wanted: str) -> ConfigError:
    hint = f"; put parentheses behind it: {value.__name__}()" if isinstance(value, type) else ""
    return ConfigError(f"{owner}({name}={value!r}): {name} must be {wanted}, not {type(value).__name__}{hint}")


def key(cls: type[Config]) -> str:
    """The name a class goes by in JSON: its own for Pellucid's classes, ``module:Class`` for all others."""
    own = Config._registry.get(cls.__name__) is cls
    return cls.__name__ if own else f"{cls.__module__}:{cls.__qualname__}"


def registered(kind: type[T]) -> dict[str, type[T]]:
    """Pellucid's own classes of one kind that can be made, by name."""
    lazy.load_all()
    return {name: cls for name, cls in Config._registry.items() if issubclass(cls, kind) and _can_be_made(cls)}


def _can_be_made(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) and not inspect.isabstract(cls)


def to_json(value: Any) -> Any:
    """Plain JSON (dicts, lists, strings, finite numbers, None) of a Config or of what its fields may hold."""
    if isinstance(value, Config):
        fields = dataclasses.fields(value)  # type: ignore[arg-type]
        return {"class": key(type(value)), **{field.name: to_json(getattr(value, field.name)) for field in fields}}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise ConfigError(f"{value!r} has no JSON form: a field holds numbers, strings, lists, None or other settings")


def from_json(data: Any, kind: type[T], custom_classes: Iterable[type] = ()) -> T:
    """The object whose JSON form ``data`` is. ``kind`` is what the caller expects, ``custom_classes`` other people's classes.

    Raises ConfigError for an unknown class or key (naming the nearest one) and for values a field refuses.
    """
    own = {key(cls): cls for cls in custom_classes}
    try:
        value = _decode(data, own)
    except RecursionError:
        raise ConfigError("these settings are nested too deeply") from None
    if not isinstance(value, kind):
        raise ConfigError(f"expected a {kind.__name__} ({{'class': …}}), got {_shown(data)}")
    return value


def _decode(data: Any, own: Mapping[str, type]) -> Any:
    if isinstance(data, list):
        return tuple(_decode(item, own) for item in data)
    if not isinstance(data, dict):
        return data
    name = data.get("class")
    if not isinstance(name, str):
        raise ConfigError(f"settings need a 'class', got {_shown(data)}")
    if name not in own and name not in Config._registry:
        lazy.load(name)
    cls = own.get(name) or Config._registry.get(name)
    if cls is None:
        lazy.load_all()  # it may stand beside something that is exported; and for the names to suggest
        cls = Config._registry.get(name)
    if cls is None:
        if ":" in name:
            raise ConfigError(
                f"unknown class {name!r}: hand it over, for example Model.load(path, custom_classes=[{name.split(':')[1]}])"
            )
        raise ConfigError(f"unknown class {name!r}: {did_you_mean(name, Config._registry)}")
    if not _can_be_made(cls):
        raise ConfigError(f"{name!r} is a kind of settings, not one that can be made")
    given = {field: _decode(value, own) for field, value in data.items() if field != "class"}
    fields = [field.name for field in dataclasses.fields(cls)]
    for field in given:
        if field not in fields:
            raise ConfigError(f"{name} has no setting {field!r}: {did_you_mean(field, fields)}")
    parameters = list(inspect.signature(cls).parameters.values())
    star = next((i for i, one in enumerate(parameters) if one.kind is one.VAR_POSITIONAL), None)
    positional: tuple[Any, ...] = ()
    if star is not None and parameters[star].name in given:  # Sequential(*layers), Node(name, layer, *inputs)
        positional = given.pop(parameters[star].name)
        if not isinstance(positional, tuple):
            raise ConfigError(f"{name}: {parameters[star].name!r} must be a list")
        for parameter in reversed(parameters[:star]):
            if parameter.name not in given:
                raise ConfigError(f"{name} lacks the setting {parameter.name!r}")
            positional = (given.pop(parameter.name), *positional)
    try:
        return cls(*positional, **given)
    except TypeError as error:
        raise ConfigError(f"{name}: {error}") from None


def _shown(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 60 else text[:57] + "..."
