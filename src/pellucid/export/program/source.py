"""Python as text: calls written the way a formatter would, literals, and the text of functions that programs are made of."""

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

WIDTH = 88  # of a line, as the usual formatters have it


@dataclass(frozen=True)
class Call:
    """``function(arguments)``: each argument is Python already."""

    function: str
    arguments: tuple[str, ...]

    def written(self, target: str) -> list[str]:
        """``target = function(…)``, inside a function: on one line, or the arguments on a line of their own, or on one each."""
        return [f"    {line}" for line in wrapped(f"{target} = {self.function}(", self.arguments, ")", WIDTH - 4)]


def wrapped(start: str, items: Sequence[str], end: str, width: int = WIDTH) -> list[str]:
    """The items between brackets, in as few lines as fit."""
    joined = ", ".join(items)
    if len(start + joined + end) <= width:
        return [start + joined + end]
    if 4 + len(joined) <= width and not (start.endswith("= (") and len(items) == 1):
        return [start, f"    {joined}", end]
    return [start, *(f"    {item}," for item in items), end]


def literal(value: Any) -> str:
    """A number, a string, None, or a tuple of these, as Python writes it. Strings are data, whatever is in them: what does
    not print is escaped, quotes too."""
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' * (len(value) == 1)})"
    if isinstance(value, str):
        text = repr(value)
        return text if '"' in text else f'"{text[1:-1]}"'
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    raise ConfigError(f"a program can hold numbers, strings and tuples of them, not {value!r}")


def docstring(text: str) -> list[str]:
    """The text as what a function begins with."""
    lines = textwrap.wrap(f'"""{text}', WIDTH - 7)
    last = ['"""'] if len(lines) > 1 else []
    return [f"    {line}" for line in [*lines, *last]] if last else [f'    {lines[0]}"""']


def comment(text: str) -> str:
    """The text as one comment line, whatever is in it."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    words = f"# {' '.join(plain.split())}"
    return words if len(words) <= WIDTH - 4 else f"{words[: WIDTH - 7]}..."


def identifier(text: str, taken: Iterable[str]) -> str:
    """A variable's name like the text that is not taken and no word of Python's."""
    name = re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_") or "value"
    if name[0].isdigit() or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        name = f"n_{name}"
    found, number, known = name, 1, set(taken)
    while found in known:
        number += 1
        found = f"{name}_{number}"
    return found


class Library:
    """The functions and constants at the top of some modules, by name, as text."""

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
                self._uses[name] = names(statement)

    def __iter__(self) -> Iterator[str]:
        return iter(self._text)

    def needed(self, used: Iterable[str]) -> list[str]:
        """The texts of what is used, and of what that uses, in the order of the modules."""
        wanted: set[str] = set()
        waiting = [name for name in used if name in self._text]
        while waiting:
            name = waiting.pop()
            if name not in wanted:
                wanted.add(name)
                waiting += [other for other in self._uses[name] if other in self._text]
        return [text for name, text in self._text.items() if name in wanted]


def texts_of(functions: Iterable[Callable[..., Any]], taken: set[str]) -> dict[str, str]:
    """The texts of users' functions by name. Raises ConfigError for one that cannot stand in a program by itself."""
    found: dict[str, str] = {}
    for function in functions:
        name = getattr(function, "__name__", str(function))
        text = _text(function, name)
        if name in taken or found.get(name, text) != text:
            raise ConfigError(f"the program has another function {name} already: call yours otherwise")
        found[name] = text
    return found


def _text(function: Callable[..., Any], name: str) -> str:
    try:
        text = textwrap.dedent(inspect.getsource(function)).rstrip()
        tree = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise ConfigError(f"the text of {name} cannot be read ({error}): define it with def, in a file or a notebook") from None
    if not isinstance(tree, ast.FunctionDef) or tree.decorator_list:
        raise ConfigError(f"{name} is to be copied into a program: define it with def, without decorators")
    outside = inspect.getclosurevars(function)
    defaults = [names(default) for default in (*tree.args.defaults, *tree.args.kw_defaults) if default is not None]
    strange = {*outside.globals, *outside.nonlocals, *outside.unbound}.intersection(names(tree)).union(*defaults)
    if strange := strange - {"np", "math", name}:
        raise ConfigError(f"{name} uses {', '.join(sorted(strange))} from outside: in a program there is np and math only")
    return text


def names(tree: ast.AST | str) -> set[str]:
    """All names that a piece of Python reads."""
    tree = ast.parse(tree) if isinstance(tree, str) else tree
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
