"""Python source text: formatted calls and literals, and the source of the functions that programs contain."""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from pellucid.errors import ConfigError

WIDTH = 88  # line length, the default of common formatters


@dataclass(frozen=True)
class Call:
    """A call ``function(arguments)``. The arguments are Python expressions as text."""

    function: str
    arguments: tuple[str, ...]

    def assignment(self, target: str) -> list[str]:
        """Return the lines of ``target = function(…)`` inside a function, wrapped as a formatter would do it."""
        return [f"    {line}" for line in wrap_items(f"{target} = {self.function}(", self.arguments, ")", WIDTH - 4)]


def wrap_items(start: str, items: Sequence[str], end: str, width: int = WIDTH) -> list[str]:
    """Return the items between ``start`` and ``end``: on one line, else on one indented line, else on one line each."""
    joined = ", ".join(items)
    if len(start + joined + end) <= width:
        return [start + joined + end]
    if 4 + len(joined) <= width and not (start.endswith("= (") and len(items) == 1):
        return [start, f"    {joined}", end]
    return [start, *(f"    {item}," for item in items), end]


def literal(value: Any) -> str:
    """Return a number, a string, None, or a tuple of these, as a Python literal.

    Quotes and unprintable characters in strings are escaped, so that no string can end its literal. As a formatter would do it,
    strings are in double quotes, unless fewer quotes are escaped in single ones.
    """
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, str):
        text = repr(f'"{value}')[2:-1]  # as in single quotes, between which only these are escaped
        if value.count('"') > value.count("'"):
            return f"'{text}'"
        return '"{}"'.format(text.replace("\\'", "'").replace('"', '\\"'))
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    raise ConfigError(f"a program can contain numbers, strings and tuples of them, not {value!r}")


def docstring(text: str) -> list[str]:
    """Return the lines of a docstring inside a function."""
    lines = textwrap.wrap(f'"""{text}', WIDTH - 7)
    last = ['"""'] if len(lines) > 1 else []
    return [f"    {line}" for line in [*lines, *last]] if last else [f'    {lines[0]}"""']


def comment(text: str) -> str:
    """Return the text as one comment line; unprintable characters become spaces."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    words = f"# {' '.join(plain.split())}"
    return words if len(words) <= WIDTH - 4 else f"{words[: WIDTH - 7]}..."


def identifier(text: str, taken: Iterable[str]) -> str:
    """Return a variable name similar to the text that is neither in ``taken`` nor a keyword."""
    name = re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_") or "value"
    if name[0].isdigit() or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        name = f"n_{name}"
    unused, number, taken = name, 1, set(taken)
    while unused in taken:
        number += 1
        unused = f"{name}_{number}"
    return unused


class FunctionLibrary:
    """The source text of the functions and type aliases of some modules, by name."""

    def __init__(self, *modules: ModuleType):
        self._text: dict[str, str] = {}
        self._uses: dict[str, set[str]] = {}
        for module in modules:
            source = inspect.getsource(module)
            lines = source.splitlines()
            for statement in ast.parse(source).body:
                if isinstance(statement, ast.FunctionDef):
                    name = statement.name
                elif isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                    name = statement.targets[0].id
                else:
                    continue
                self._text[name] = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
                self._uses[name] = names_in(statement)

    def __iter__(self) -> Iterator[str]:
        return iter(self._text)

    def needed(self, used: Iterable[str]) -> list[str]:
        """Return the texts of the names in ``used`` and of everything that they use, in the order of the modules."""
        needed: set[str] = set()
        waiting = [name for name in used if name in self._text]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += [other for other in self._uses[name] if other in self._text]
        return [text for name, text in self._text.items() if name in needed]


def function_sources(functions: Iterable[Callable[..., Any]], taken: set[str]) -> dict[str, str]:
    """Return the source text of user-defined functions by name.

    Raises ConfigError for a function that cannot be copied into a program: one whose name is in ``taken``, whose source
    cannot be read, or that uses names from outside.
    """
    sources: dict[str, str] = {}
    for function in functions:
        name = getattr(function, "__name__", str(function))
        text = _function_source(function, name)
        if name in taken or sources.get(name, text) != text:
            raise ConfigError(f"the program already has a function named {name}: rename yours")
        sources[name] = text
    return sources


def _function_source(function: Callable[..., Any], name: str) -> str:
    try:
        text = textwrap.dedent(inspect.getsource(function)).rstrip()
        tree = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise ConfigError(f"the source of {name} cannot be read ({error}): define it with def in a file or notebook") from None
    if not isinstance(tree, ast.FunctionDef) or tree.decorator_list:
        raise ConfigError(f"{name} is copied into the program: define it with def, without decorators")
    outside = inspect.getclosurevars(function)
    defaults = [names_in(default) for default in (*tree.args.defaults, *tree.args.kw_defaults) if default is not None]
    foreign = {*outside.globals, *outside.nonlocals, *outside.unbound}.intersection(names_in(tree)).union(*defaults)
    if foreign := foreign - {"np", "math", name}:
        raise ConfigError(f"{name} uses {', '.join(sorted(foreign))} from outside: a program has only np and math")
    return text


def names_in(tree: ast.AST | str) -> set[str]:
    """Return all names that occur in Python source or in its syntax tree."""
    tree = ast.parse(tree) if isinstance(tree, str) else tree
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
