"""Mutants: small changes of a module's source, one at a time, each of which a good test notices.

A mutant is found in the syntax tree and keeps the line numbers of the original, so that the code objects of its functions can
take the place of the original ones in a running process. What is changed, and what is left out, is listed in ``RULES``.
"""

from __future__ import annotations

import ast
import hashlib
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

RULES = """
Changed:
  arithmetic   + and -, * and /, // and % to *, ** to *, << and >>, & and |, ^ to &; also in augmented assignments
  comparison   < and <=, > and >=, == and !=, is and is not, in and not in
  logic        and and or; not x, -x and +x become x
  condition    of if, while and an if expression: True, False (for while only False; for an if that only raises only False);
               a filter of a comprehension: True
  number       n becomes n + 1
  boolean      True and False
  keyword      an argument that is given by keyword is left out
  function     min and max, minimum and maximum, any and all, argmin and argmax, floor and ceil, zeros and ones, sin and cos,
               sum and mean (of an array); sqrt(x), exp(x), log(x), abs(x), square(x), tanh(x), sign(x), ... become x
  statement    a call as a statement, an augmented assignment, and an assignment to an element or an attribute are left out;
               break and continue
Left out:
  strings (names, and the text of messages), assignments to variables named hint, message, text or advice and an if that has
  nothing else, functions that only write messages (MESSAGE_FUNCTIONS), raise and assert statements, calls of warnings.warn and
  of functions whose name ends in Error, __repr__, __str__ and _repr_html_; annotations, unions of types (| outside functions),
  decorators, base classes, overloads, if TYPE_CHECKING, imports, __all__, docstrings; the keywords out and copy (the memory of
  a result), casting, strict (an assertion) and stacklevel; the 1 in reshape(-1), for which NumPy takes any negative number; the
  files __init__.py (lists of names), training/evaluation.py and training/progress.py (what notebooks and terminals show).
"""

ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
COMPARISON: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_PAIRS = [
    ("min", "max"),
    ("minimum", "maximum"),
    ("any", "all"),
    ("argmin", "argmax"),
    ("floor", "ceil"),
    ("zeros", "ones"),
    ("sin", "cos"),
]
FUNCTION = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])}
OF_ARRAYS = {"sum": "mean", "mean": "sum"}
UNARY = {
    "sqrt",
    "exp",
    "log",
    "log1p",
    "expm1",
    "abs",
    "square",
    "tanh",
    "sign",
    "sin",
    "cos",
    "log2",
    "exp2",
    "arctan",
    "negative",
}
KEYWORDS_LEFT_OUT = {"out", "copy", "casting", "strict", "stacklevel"}
MESSAGE_FUNCTIONS = {"_counterpart", "_short"}
MESSAGE_NAMES = {"hint", "message", "text", "advice"}


@dataclass(frozen=True)
class Mutant:
    """One change. ``index`` is its place among the mutants of its file; ``lines`` are those of the statement around it."""

    file: str
    index: int
    function: str
    kind: str
    line: int
    lines: tuple[int, int]
    owner_lines: tuple[int, int]
    """The first and the last line of the innermost class or function."""
    before: str
    after: str
    in_function: bool
    """Whether it is in the body of a function; else it acts when the module is imported."""
    key: str = field(default="")
    """What stays the same when lines move: file, function, change and a count of equal ones."""

    @property
    def name(self) -> str:
        """A short name: a digest of the key."""
        return hashlib.sha256(self.key.encode()).hexdigest()[:10]


@dataclass
class _Site:
    function: str
    kind: str
    node: ast.AST
    statement: ast.AST
    owner: ast.AST
    before: str
    after: str
    in_function: bool
    change: Callable[[], None]


def mutants_of(root: Path, file: str) -> list[Mutant]:
    """Return the mutants of a file, given relative to ``root``."""
    tree = ast.parse((root / file).read_text())
    result, counts = [], dict[str, int]()
    for index, site in enumerate(_Sites(tree).sites):
        key = f"{file}::{site.function}::{site.before} -> {site.after}"
        counts[key] = counts.get(key, 0) + 1
        if counts[key] > 1:
            key += f" #{counts[key]}"
        result.append(
            Mutant(
                file,
                index,
                site.function,
                site.kind,
                _line(site.node, site.statement),
                _lines_of(site.statement),
                (getattr(site.owner, "lineno", 1), getattr(site.owner, "end_lineno", None) or 10**9),
                site.before,
                site.after,
                site.in_function,
                key,
            )
        )
    return result


def _line(node: ast.AST, statement: ast.AST) -> int:
    return getattr(node, "lineno", None) or statement.lineno  # type: ignore[attr-defined, no-any-return]


def mutated(source: str, index: int) -> ast.Module:
    """Return the syntax tree of a source after the change ``index``."""
    tree = ast.parse(source)
    _Sites(tree).sites[index].change()
    return tree


def code_objects(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield the code objects in a module's code, outer ones first."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from code_objects(constant)


def _lines_of(statement: ast.AST) -> tuple[int, int]:
    """The lines of a simple statement; of a compound one those of its head; of a function the first line of its body."""
    first: int = statement.lineno  # type: ignore[attr-defined]
    body = getattr(statement, "body", None)
    if isinstance(body, list) and body:
        return first, max(body[0].lineno - 1, first)
    return first, statement.end_lineno or first  # type: ignore[attr-defined]


class _Sites:
    """Walk through a module and collect the places of changes."""

    def __init__(self, tree: ast.Module) -> None:
        self.sites: list[_Site] = []
        self._names: list[str] = []
        self._owners: list[ast.AST] = [tree]
        self._depth = 0
        self._statement: ast.AST = tree
        self._body(tree, "body")

    def _body(self, parent: ast.AST, name: str) -> None:
        body: list[ast.stmt] = getattr(parent, name)
        for i in range(len(body)):
            outer, self._statement = self._statement, body[i]
            self._visit_statement(body, i)
            self._statement = outer

    def _add(self, kind: str, node: ast.AST, before: str, after: str, change: Callable[[], None]) -> None:
        function = ".".join(self._names) or "module"
        self.sites.append(
            _Site(
                function, kind, node, self._statement, self._owners[-1], _short(before), _short(after), self._depth > 0, change
            )
        )

    # Statements

    def _visit_statement(self, body: list[ast.stmt], i: int) -> None:
        node = body[i]
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(node)
            case ast.ClassDef():
                self._names.append(node.name)
                self._owners.append(node)
                self._body(node, "body")
                self._owners.pop()
                self._names.pop()
            case (
                ast.Raise()
                | ast.Assert()
                | ast.Import()
                | ast.ImportFrom()
                | ast.Global()
                | ast.Nonlocal()
                | ast.Pass()
                | ast.Delete()
            ):
                return
            case ast.Expr(value=ast.Constant()):
                return
            case ast.Assign(targets=[ast.Name(id="__all__")]):
                return
            case _ if _is_about_a_message(node):
                return
            case ast.If():
                if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                    self._body(node, "orelse")
                    return
                self._condition(node, "test", only_false=all(isinstance(s, ast.Raise) for s in node.body) and not node.orelse)
                self._expression(node, "test")
                self._body(node, "body")
                self._body(node, "orelse")
            case ast.While():
                self._condition(node, "test", only_false=True)
                self._expression(node, "test")
                self._body(node, "body")
                self._body(node, "orelse")
            case ast.For() | ast.AsyncFor():
                self._expression(node, "iter")
                self._body(node, "body")
                self._body(node, "orelse")
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self._expression(item, "context_expr")
                self._body(node, "body")
            case ast.Try():
                for name in ("body", "orelse", "finalbody"):
                    self._body(node, name)
                for handler in node.handlers:
                    self._body(handler, "body")
            case ast.Match():
                self._expression(node, "subject")
                for case in node.cases:
                    if case.guard is not None:
                        self._condition(case, "guard")
                        self._expression(case, "guard")
                    self._body(case, "body")
            case ast.AugAssign():
                self._removal(body, i)
                self._swap_arithmetic(node)
                self._expression(node, "target")
                self._expression(node, "value")
            case ast.Assign():
                if any(isinstance(target, ast.Subscript | ast.Attribute) for target in node.targets):
                    self._removal(body, i)
                for k in range(len(node.targets)):
                    self._expression_in(node.targets, k)
                self._expression(node, "value")
            case ast.AnnAssign():
                if node.value is not None:
                    self._expression(node, "value")
            case ast.Expr():
                if isinstance(node.value, ast.Call) and not _is_message(node.value):
                    self._removal(body, i)
                self._expression(node, "value")
            case ast.Break() | ast.Continue():
                other = ast.copy_location(ast.Continue() if isinstance(node, ast.Break) else ast.Break(), node)
                self._add("statement", node, ast.unparse(node), ast.unparse(other), lambda: body.__setitem__(i, other))
            case ast.Return():
                if node.value is not None:
                    self._expression(node, "value")
            case _:
                raise NotImplementedError(ast.dump(node))

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if node.name in {"__repr__", "__str__", "_repr_html_"} | MESSAGE_FUNCTIONS or any(
            "overload" in ast.unparse(d) for d in node.decorator_list
        ):
            return
        self._names.append(node.name)
        for k in range(len(node.args.defaults)):
            self._expression_in(node.args.defaults, k)
        for k, default in enumerate(node.args.kw_defaults):
            if default is not None:
                self._expression_in(node.args.kw_defaults, k)
        self._owners.append(node)
        self._depth += 1
        self._body(node, "body")
        self._depth -= 1
        self._owners.pop()
        self._names.pop()

    def _removal(self, body: list[ast.stmt], i: int) -> None:
        node = body[i]
        self._add(
            "statement", node, ast.unparse(node), "pass", lambda: body.__setitem__(i, ast.copy_location(ast.Pass(), node))
        )

    def _condition(self, parent: ast.AST, name: str, only_false: bool = False) -> None:
        test: ast.expr = getattr(parent, name)
        if isinstance(test, ast.Constant):
            return
        for value in (False,) if only_false else (False, True):
            head = {ast.If: "if", ast.While: "while", ast.IfExp: "if", ast.match_case: "case if"}[type(parent)]
            self._add(
                "condition",
                test,
                f"{head} {ast.unparse(test)}",
                f"{head} {value}",
                # The test stays in the tree (as "test and False"), so that a function keeps its free variables.
                lambda value=value: setattr(parent, name, _forced(test, value)),  # type: ignore[misc]
            )

    # Expressions

    def _expression(self, parent: ast.AST, name: str) -> None:
        self._visit(getattr(parent, name), lambda new: setattr(parent, name, new))

    def _expression_in(self, items: list, k: int) -> None:
        self._visit(items[k], lambda new: items.__setitem__(k, new))

    def _replace(self, kind: str, node: ast.expr, new: ast.expr, put: Callable[[ast.expr], None]) -> None:
        ast.copy_location(new, node)
        ast.fix_missing_locations(new)
        self._add(kind, node, ast.unparse(node), ast.unparse(new), lambda: put(new))

    def _visit(self, node: ast.expr | None, put: Callable[[ast.expr], None]) -> None:
        match node:
            case None | ast.JoinedStr() | ast.Name():
                return
            case ast.Constant(value=bool()):
                self._replace("boolean", node, ast.Constant(not node.value), put)
            case ast.Constant(value=int() | float()):
                self._replace("number", node, ast.Constant(node.value + 1), put)
            case ast.Constant():
                return
            case ast.BinOp():
                if _is_text(node.left) or _is_text(node.right) or (isinstance(node.op, ast.BitOr) and not self._depth):
                    return
                if type(node.op) in ARITHMETIC:
                    self._swap_arithmetic(node)
                self._expression(node, "left")
                self._expression(node, "right")
            case ast.UnaryOp():
                if isinstance(node.op, ast.Not | ast.USub | ast.UAdd):
                    self._replace("logic", node, node.operand, put) if not isinstance(node.operand, ast.Constant) else (
                        self._replace("number", node, ast.Constant(node.operand.value), put)
                    )
                self._expression(node, "operand")
            case ast.BoolOp():
                other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
                self._replace("logic", node, ast.BoolOp(other, node.values), put)
                for k in range(len(node.values)):
                    self._expression_in(node.values, k)
            case ast.Compare():
                for k, op in enumerate(node.ops):
                    ops = [*node.ops[:k], COMPARISON[type(op)](), *node.ops[k + 1 :]]
                    self._replace("comparison", node, ast.Compare(node.left, ops, node.comparators), put)
                self._expression(node, "left")
                for k in range(len(node.comparators)):
                    self._expression_in(node.comparators, k)
            case ast.IfExp():
                self._condition(node, "test")
                for name in ("test", "body", "orelse"):
                    self._expression(node, name)
            case ast.Call():
                self._call(node, put)
            case ast.Lambda():
                self._depth += 1
                self._expression(node, "body")
                self._depth -= 1
            case ast.Subscript():
                if isinstance(node.value, ast.Name) and node.value.id in (
                    "Literal",
                    "Callable",
                    "dict",
                    "list",
                    "tuple",
                    "type",
                ):
                    return
                self._expression(node, "value")
                self._expression(node, "slice")
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                for name in ("key", "value") if isinstance(node, ast.DictComp) else ("elt",):
                    self._expression(node, name)
                for generator in node.generators:
                    self._expression(generator, "iter")
                    for k, test in enumerate(generator.ifs):
                        after = f"no filter {_short(ast.unparse(test))}"
                        change = lambda g=generator, k=k, t=test: g.ifs.__setitem__(k, _forced(t, True))  # noqa: E731
                        self._add("condition", test, f"filter {ast.unparse(test)}", after, change)
                        self._expression_in(generator.ifs, k)
            case _:
                for name, value in ast.iter_fields(node):
                    if isinstance(value, ast.expr):
                        self._expression(node, name)
                    elif isinstance(value, list):
                        for k, item in enumerate(value):
                            if isinstance(item, ast.expr):
                                self._expression_in(value, k)

    def _call(self, node: ast.Call, put: Callable[[ast.expr], None]) -> None:
        if _is_message(node):
            return
        name = _name(node.func)
        of_module = (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in ("np", "math")
        )
        new = FUNCTION.get(name) or (OF_ARRAYS.get(name) if isinstance(node.func, ast.Attribute) else None)
        if new:
            func = (
                ast.Name(new, ast.Load())
                if isinstance(node.func, ast.Name)
                else ast.Attribute(node.func.value, new, ast.Load())
            )  # type: ignore[attr-defined]
            self._replace("function", node, ast.Call(func, node.args, node.keywords), put)
        if name in UNARY and (of_module or name == "abs") and len(node.args) == 1:
            self._replace("function", node, node.args[0], put)
        for k, keyword in enumerate(node.keywords):
            if keyword.arg is not None and keyword.arg not in KEYWORDS_LEFT_OUT:
                self._replace(
                    "keyword", node, ast.Call(node.func, node.args, [*node.keywords[:k], *node.keywords[k + 1 :]]), put
                )
        self._expression(node, "func")
        for k, argument in enumerate(node.args):
            if name == "reshape" and isinstance(argument, ast.UnaryOp) and isinstance(argument.operand, ast.Constant):
                positive = ast.Constant(argument.operand.value)
                self._replace("number", argument, positive, lambda new, k=k: node.args.__setitem__(k, new))  # type: ignore[misc]
            else:
                self._expression_in(node.args, k)
        for keyword in node.keywords:
            if keyword.arg not in KEYWORDS_LEFT_OUT or keyword.arg == "out":
                self._expression(keyword, "value")

    def _swap_arithmetic(self, node: ast.BinOp | ast.AugAssign) -> None:
        if type(node.op) not in ARITHMETIC:
            return
        old, new = node.op, ARITHMETIC[type(node.op)]()
        before = ast.unparse(node)
        node.op = new
        after = ast.unparse(node)
        node.op = old
        self._add("arithmetic", node, before, after, lambda: setattr(node, "op", new))


def _forced(test: ast.expr, value: bool) -> ast.expr:
    """Return ``test and False`` or ``test or True``, which are never or always true."""
    new = ast.BoolOp(ast.Or() if value else ast.And(), [test, ast.Constant(value)])
    return ast.fix_missing_locations(ast.copy_location(new, test))


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _is_message(call: ast.Call) -> bool:
    name = _name(call.func)
    return name.endswith(("Error", "Warning")) or name in ("warn", "did_you_mean", "cast", "TypeVar", "ParamSpec")


def _is_about_a_message(node: ast.stmt) -> bool:
    """Whether a statement only builds the text of a message."""
    match node:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AugAssign(target=ast.Name(id=name)):
            return name in MESSAGE_NAMES or _is_text(node.value)
        case ast.If():
            return all(_is_about_a_message(inner) for inner in node.body + node.orelse)
    return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 160 else f"{text[:110]} … {text[-45:]}"
