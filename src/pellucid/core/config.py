"""Settings as frozen dataclasses, and their JSON form.

Layers, losses, optimizers and schedules are frozen dataclasses whose fields are their settings. From these fields, this module
derives three things for all classes: the validation of values against their annotations, the JSON form
``{"class": "Dense", "units": 10, ...}``, and the repr.

Pellucid's own classes are registered by name when their module is imported; :func:`from_json` imports it if necessary. Other
classes have the key ``module:Class``, and the caller must pass them to :func:`from_json`: reading a file never imports code
from outside the library.
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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, TypeVar

import numpy as np

from pellucid.core import habits, lazy
from pellucid.errors import ConfigError, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The range of a numeric field, from ``low`` to ``high``. Bounds are inclusive, except where ``low_open`` or ``high_open``
    excludes them."""

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
            parts.append(f"{'below' if self.high_open else 'at most'} {self.high:{',' if isinstance(self.high, int) else 'g'}}")
        return " and ".join(parts)


LISTED = {"layers", "nodes", "pieces"}  # fields that constructors take as arguments one by one

MAX_COUNT = 1_000_000_000  # larger numbers are mistakes, and their products would overflow in kernels
Count = Annotated[int, Range(1, MAX_COUNT)]
NonNegative = Annotated[float, Range(0)]
Positive = Annotated[float, Range(0, low_open=True)]
Fraction = Annotated[float, Range(0, 1)]
FractionBelowOne = Annotated[float, Range(0, 1, high_open=True)]
OpenFraction = Annotated[float, Range(0, 1, low_open=True, high_open=True)]


class _ConstructorSignature:
    """The signature of a class with settings: that of its ``__init__``. (Python would show the one of ``Config.__new__``.)"""

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        initializer = inspect.signature(owner.__init__)  # type: ignore[misc]
        return initializer.replace(parameters=list(initializer.parameters.values())[1:])  # without self


class Config:
    """The base class of all settings. A subclass is either abstract, or a frozen dataclass without subclasses."""

    _registry: ClassVar[dict[str, type[Config]]] = {}
    __signature__: ClassVar[Any] = _ConstructorSignature()

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Config._short_repr  # type: ignore[assignment, method-assign]  # dataclass() does not replace it
        home = cls.__module__.split(".")
        if home[0] == "pellucid" and home[1:2] != ["lab"] and not cls.__name__.startswith("_"):  # the lab counts as user code
            known = Config._registry.setdefault(cls.__name__, cls)
            if known.__module__ != cls.__module__:
                raise TypeError(f"two classes have the name {cls.__name__}: in {known.__module__} and {cls.__module__}")

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if kwargs:
            habits.refuse_unknown(cls.__name__, kwargs, _parameters(cls))  # type: ignore[arg-type]  # classes are hashable
        return super().__new__(cls)

    def _short_repr(self) -> str:
        """Return the constructor call without default values: ``Conv2D(filters=16, kernel_size=3, bias=False)``."""
        arguments = []
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value != field.default:
                arguments.append(f"{field.name}={value!r}")
        return f"{type(self).__name__}({', '.join(arguments)})"

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            kind = _annotations(type(self))[field.name]  # type: ignore[arg-type]  # classes are hashable
            value = validate(getattr(self, field.name), kind, type(self).__name__, field.name)
            object.__setattr__(self, field.name, value)


@functools.cache
def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(cls).parameters


@functools.cache
def _annotations(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def validate(value: Any, kind: Any, owner: str, name: str) -> Any:
    """Return ``value`` converted to the type annotation ``kind``: NumPy numbers to Python's, lists to tuples.

    Raises ConfigError if it does not match the annotation; ``owner`` and ``name`` are the class and the field in the message.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        value = validate(value, arguments[0], owner, name)
        for bound in arguments[1:]:
            if isinstance(bound, Range) and value not in bound:
                raise ConfigError(f"{owner}({name}={value!r}): {name} must be {bound}")
        return value
    if origin in (types.UnionType, typing.Union):
        list_error = last_error = None
        for option in arguments:
            try:
                valid = validate(value, option, owner, name)
                list_error = last_error = None  # their tracebacks would keep the variables of all callers alive, in a cycle
                return valid
            except ConfigError as error:
                if option is not type(None):
                    last_error = error
                if isinstance(value, numbers.Number) and typing.get_origin(option) is Annotated:
                    raise  # a number outside the range: this message states the range
                if isinstance(value, (tuple, list)) and typing.get_origin(option) is tuple:
                    list_error = error  # a list where one is allowed: this message states what is wrong inside it
        if list_error is not None:
            raise list_error
        if len(arguments) == 2 and type(None) in arguments and last_error is not None:
            raise last_error
        raise _mismatch(value, owner, name, " or ".join(_described(option) for option in arguments))
    if origin is tuple:
        if not isinstance(value, (tuple, list)):
            raise _mismatch(value, owner, name, "a list or tuple")
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
        if len(kinds) != len(value):
            raise _mismatch(value, owner, name, f"{len(kinds)} values")
        return tuple(validate(item, item_kind, owner, name) for item, item_kind in zip(value, kinds, strict=True))
    if kind is Any:
        return value
    if kind is bool and isinstance(value, (bool, np.bool_)):
        return bool(value)
    if kind is int and not isinstance(value, bool):
        try:
            return operator.index(value)
        except TypeError:
            raise _mismatch(value, owner, name, "an integer") from None
    if kind is float and isinstance(value, numbers.Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # an integer of more than 308 digits
            number = math.inf
        if not math.isfinite(number):
            raise _mismatch(value, owner, name, "a finite number")
        return number
    if isinstance(kind, type) and kind not in (int, float) and isinstance(value, kind):
        return value
    raise _mismatch(value, owner, name, _described(kind))


def _described(kind: Any) -> str:
    """Return a type annotation in words: "an integer", "a Layer"."""
    if typing.get_origin(kind) is Annotated:
        return _described(typing.get_args(kind)[0])
    words = {int: "an integer", float: "a number", bool: "True or False", str: "a string", type(None): "None"}
    return words.get(kind) or with_article(getattr(kind, "__name__", str(kind)))


def with_article(name: str) -> str:
    """Return the name of a class preceded by "a" or "an"."""
    return f"{'an' if name[:1] in 'AEIO' else 'a'} {name}"


def _mismatch(value: Any, owner: str, name: str, expected: str) -> ConfigError:
    hint = ""
    if isinstance(value, type):
        hint = f"; add parentheses to create one: {value.__name__}()"
    elif isinstance(value, str):
        hint = _object_hint(value, expected)
    elif isinstance(value, np.ndarray) and "tuple" in expected:
        hint = "; write tuple(...) around the array"
    elif isinstance(value, (list, tuple)) and name in LISTED:
        hint = f"; give them one by one, without brackets: {owner}(first, second, ...)"
    return ConfigError(f"{owner}({name}={value!r}): {name} must be {expected}, not {type(value).__name__}{hint}")


def _object_hint(text: str, expected: str) -> str:
    """Return the end of a message about a string in place of an object: "; write Adam()" for "adam"."""
    for found in habits.object_names(text, lazy.exported()):
        lazy.load(found)
        bases = {base.__name__ for base in inspect.getmro(Config._registry.get(found, object))}
        if any(with_article(base) in expected for base in bases):
            return f"; write {found}()"
        if expected == "a list or tuple":
            return f"; write [{found}()]"
        if "Layer" in bases:
            return f"; {found}() is a layer of its own, after this one"
    return ""


def class_key(cls: type[Config]) -> str:
    """Return the name of a class in JSON: ``Class`` for the classes of Pellucid, ``module:Class`` for all others."""
    registered = Config._registry.get(cls.__name__) is cls
    return cls.__name__ if registered else f"{cls.__module__}:{cls.__qualname__}"


def own_classes(value: Any) -> list[Any]:
    """Return the classes and functions in settings, nested ones included, that are not Pellucid's, each once."""
    if isinstance(value, (tuple, list)):
        found = [one for item in value for one in own_classes(item)]
    elif isinstance(value, Config):
        own = [type(value)] if ":" in class_key(type(value)) else []
        found = [*own, *own_classes(list(vars(value).values()))]
    else:
        found = [value] if callable(value) and not isinstance(value, type) else []
    return list({id(one): one for one in found}.values())


def function_key(function: Callable[..., Any]) -> str:
    """Return the name of a function in JSON, ``module:function``. Raises ConfigError for a callable object without a name."""
    name = getattr(function, "__qualname__", None)
    if name is None:
        raise ConfigError(f"{function!r} has no name by which it can be found again: write a function with def, or a class")
    return f"{function.__module__}:{name}"


def by_key(own: Iterable[Any]) -> dict[str, Any]:
    """Return the user's classes and functions by their names in JSON. Raises ConfigError for two of the same name."""
    found: dict[str, Any] = {}
    for one in own:
        key = class_key(one) if isinstance(one, type) else function_key(one)
        if found.setdefault(key, one) != one:
            raise ConfigError(
                f"two classes or functions have the name {key!r}, by which settings refer to them: give each a name of its "
                "own, with class or def"
            )
    return found


def registered_classes(kind: type[T]) -> dict[str, type[T]]:
    """Return all subclasses of ``kind`` in Pellucid that are not abstract, by name."""
    lazy.load_all()
    return {name: cls for name, cls in Config._registry.items() if issubclass(cls, kind) and _is_concrete(cls)}


def _is_concrete(cls: type) -> bool:
    return dataclasses.is_dataclass(cls) and not inspect.isabstract(cls)


def to_json(value: Any) -> Any:
    """Return settings, or a value of one of their fields, as plain JSON: dicts, lists, strings, finite numbers, None.

    A function becomes its name. A field whose metadata say ``{"optional": True}`` is left out while it has its default: a
    setting that is younger than the files without it.
    """
    if isinstance(value, Config):
        names = [
            field.name
            for field in dataclasses.fields(value)  # type: ignore[arg-type]
            if not field.metadata.get("optional") or getattr(value, field.name) != field.default
        ]
        return {"class": class_key(type(value)), **{name: to_json(getattr(value, name)) for name in names}}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {name: to_json(item) for name, item in value.items()}
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if callable(value) and not isinstance(value, type):
        return {"function": function_key(value)}
    raise ConfigError(f"{value!r} has no JSON form: a field holds numbers, strings, lists, None or other settings")


def from_json(data: Any, kind: type[T], custom_classes: Iterable[Any] = ()) -> T:
    """Return the object whose JSON form is ``data``: the inverse of :func:`to_json`.

    ``kind`` is the expected class. ``custom_classes`` are the classes and functions from outside Pellucid that the data may
    contain.

    Raises ConfigError for unknown classes and settings (the message suggests the most similar name), for invalid values, and
    for two custom classes of the same name.
    """
    custom = by_key(custom_classes)
    try:
        value = _decode(data, custom)
    except RecursionError:
        raise ConfigError("the settings are nested too deeply") from None
    if not isinstance(value, kind):
        raise ConfigError(f"expected {with_article(kind.__name__)} ({{'class': …}}), got {_abbreviated(data)}")
    return value


def _decode(data: Any, custom: Mapping[str, type]) -> Any:
    if isinstance(data, list):
        return tuple(_decode(item, custom) for item in data)
    if not isinstance(data, dict):
        return data
    if set(data) == {"function"}:
        return _found_function(data["function"], custom)
    name = data.get("class")
    if not isinstance(name, str):
        raise ConfigError(f"settings need a 'class', got {_abbreviated(data)}")
    if name not in custom and name not in Config._registry:
        lazy.load(name)
    cls = custom.get(name) or Config._registry.get(name)
    if cls is None:
        lazy.load_all()  # the class may be one that is not exported, in a module that exports another
        cls = Config._registry.get(name)
    if cls is None:
        if ":" in name:
            raise ConfigError(
                f"unknown class {name!r}: pass it as an argument, as in Model.load(path, custom_classes=[{name.split(':')[1]}])"
            )
        raise ConfigError(f"unknown class {name!r}: {did_you_mean(name, Config._registry)}")
    if not _is_concrete(cls):
        raise ConfigError(f"{name!r} is an abstract class: name one of its subclasses")
    given = {field: _decode(value, custom) for field, value in data.items() if field != "class"}
    fields = [field.name for field in dataclasses.fields(cls)]
    for field in given:
        if field not in fields:
            raise ConfigError(f"{name} has no setting {field!r}: {did_you_mean(field, fields)}")
    parameters = list(inspect.signature(cls).parameters.values())
    star = next((i for i, parameter in enumerate(parameters) if parameter.kind is parameter.VAR_POSITIONAL), None)
    positional: tuple[Any, ...] = ()
    if star is not None and parameters[star].name in given:  # as in Sequential(*layers) and Node(name, layer, *inputs)
        positional = given.pop(parameters[star].name)
        if not isinstance(positional, tuple):
            raise ConfigError(f"{name}: {parameters[star].name!r} must be a list")
        for parameter in reversed(parameters[:star]):
            if parameter.name not in given:
                raise ConfigError(f"{name}: the setting {parameter.name!r} is missing")
            positional = (given.pop(parameter.name), *positional)
    try:
        return cls(*positional, **given)
    except TypeError as error:
        raise ConfigError(f"{name}: {error}") from None


def _found_function(name: Any, custom: Mapping[str, Any]) -> Any:
    if name not in custom:
        own = str(name).rpartition(":")[2]
        raise ConfigError(f"unknown function {name!r}: pass it as an argument, as in Model.load(path, custom_classes=[{own}])")
    return custom[name]


def _abbreviated(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 60 else text[:57] + "..."
