"""The structure of the code: rooms import only from rooms before them, files form no circles, heavy packages load on use."""

from __future__ import annotations

import ast
import functools
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import pellucid
from pellucid.core.config import registered_classes
from pellucid.core.lazy import exports
from pellucid.initializers import Initializer
from pellucid.layers import Layer, Merge
from pellucid.losses import Loss
from pellucid.metrics import Metric
from pellucid.optim import Component, Schedule
from pellucid.training import Policy

SOURCE = Path(pellucid.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
ORDER = [
    "errors",
    "core",
    "notebook",
    "kernels",
    "initializers",
    "layers",
    "networks",
    "losses",
    "metrics",
    "optim",
    "data",
    "training",
    "recipes",
    "export",
    "doctor",
    "model",
    "explain",
    "sklearn",
    "plots",
    "runs",
    "lab",
    "report",
    "app",
    "cli",
    "testing",
    "__main__",
]
HEAVY = {
    "matplotlib",
    "numba",
    "sklearn",
    "rich",
    "typer",
    "PIL",
    "mlxtend",
    "safetensors",
    "threadpoolctl",
    "mpi4py",
    "starlette",
    "uvicorn",
    "jinja2",
    "onnx",
    "onnxruntime",
    "tokenizers",
}
DEEP_LEARNING = {
    "torch",
    "torchvision",
    "jax",
    "flax",
    "haiku",
    "equinox",
    "optax",
    "tensorflow",
    "keras",
    "autograd",
    "theano",
    "aesara",
    "pytensor",
    "mxnet",
    "paddle",
    "chainer",
    "tinygrad",
    "mindspore",
    "cntk",
    "caffe2",
    "lasagne",
    "thinc",
    "micrograd",
    "fastai",
    "lightning",
    "transformers",
}
PUBLIC_ONLY = ("lab", "report", "app", "cli")  # rooms that use only what the others export publicly
COMPILE = "networks/composite.py"  # Composite.compile makes a Model: the one import from a later room, and the one circle


def room_of(path: Path) -> str:
    """Return the room of a file: ``layers`` for layers/dense.py, ``errors`` for errors.py."""
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imports(tree: ast.AST) -> list[tuple[str, str | None]]:
    """Return (module, name or None) for every import, those inside functions and under TYPE_CHECKING included."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


def rooms_imported(tree: ast.AST) -> set[str]:
    """Return the rooms that a file imports; "pellucid" stands for a name of the package itself."""
    rooms = set()
    for module, name in imports(tree):
        top, _, rest = module.partition(".")
        if top == "pellucid":
            room = rest.split(".")[0] or name or "pellucid"
            rooms.add(room if room in ORDER else "pellucid")
    return rooms


@functools.cache  # several tests read each file
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module", autouse=True)
def _forget_trees():
    yield
    parsed.cache_clear()


def relative(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def module_of(path: Path) -> str:
    """Return the dotted name of a file."""
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.mark.parametrize("path", [path for path in FILES if path.parent != SOURCE or path.stem != "__init__"], ids=relative)
def test_imports_follow_the_order_of_the_rooms(path):
    room = room_of(path)
    assert room in ORDER, f"{room} has no place in the order of the rooms"
    for other in rooms_imported(parsed(path)) - {room}:
        if other == "pellucid":
            assert room in PUBLIC_ONLY, f"{relative(path)} imports from the package itself: name the file"
        elif relative(path) == COMPILE and other not in ORDER[: ORDER.index("networks")]:
            continue
        else:
            assert ORDER.index(other) < ORDER.index(room), f"{relative(path)} imports {other}, which comes after it"
        assert room != "optim" or other not in ("layers", "networks", "losses"), "optimizers work on vectors, not on layers"


def test_the_exception_is_only_for_compile():
    upward = []
    for statement in parsed(SOURCE / COMPILE).body:
        unguarded = not (isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING")
        places = statement.body if isinstance(statement, ast.ClassDef) else [statement]
        for place in places:
            if unguarded and any(ORDER.index(u) > ORDER.index("networks") for u in rooms_imported(place) - {"pellucid"}):
                upward.append(getattr(place, "name", "the file itself"))
    assert upward == ["compile"]


def import_graph() -> dict[str, set[str]]:
    """Return the files that each file imports. A name that a package exports lazily counts as an import of its file."""
    modules = {module_of(path): path for path in FILES}
    homes = {module_of(stub.with_suffix(".py")): exports(stub) for stub in SOURCE.rglob("__init__.pyi")}

    def file_of(module: str, name: str | None) -> str | None:
        if name is not None and f"{module}.{name}" in modules:
            return f"{module}.{name}"
        if name is not None and name in homes.get(module, {}):
            return file_of(homes[module][name], name)
        return module if module in modules else None

    graph: dict[str, set[str]] = {}
    for module, path in modules.items():
        found = imports(parsed(path))
        if relative(path) == COMPILE:  # the exception
            found = [one for one in found if one[0].split(".")[1:2] in ([room] for room in ORDER[: ORDER.index("losses")])]
        graph[module] = {file for one in found if (file := file_of(*one)) is not None and file != module}
    return graph


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the files of each circle of imports: repeatedly drop files that import, or are imported by, no other file."""
    left = {module: set(others) for module, others in graph.items()}
    while True:
        imported = set().union(*left.values()) if left else set()
        drop = {module for module, others in left.items() if not others or module not in imported}
        if not drop:
            return [[module, *sorted(others)] for module, others in sorted(left.items())]
        left = {module: others - drop for module, others in left.items() if module not in drop}


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"], ["c", "b"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_files_form_no_circles_of_imports():
    graph = import_graph()
    assert len(graph) > 200
    assert "pellucid.layers.dense" in graph["pellucid.runs.presets"], "lazily exported names are followed to their files"
    assert circles(graph) == []


@pytest.mark.parametrize("path", [path for path in FILES if room_of(path) in PUBLIC_ONLY], ids=relative)
def test_the_last_rooms_use_only_what_is_public(path):
    tree = parsed(path)
    for module, name in imports(tree):
        if module.startswith("pellucid"):
            assert not (name or "").startswith("_") or name == "__version__", f"{relative(path)} imports {name} of {module}"
            assert "._" not in module, f"{relative(path)} imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            assert ast.unparse(node.value) in ("self", "cls"), f"{relative(path)} line {node.lineno} uses {ast.unparse(node)}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_every_file_says_what_it_is(path):
    assert ast.get_docstring(parsed(path)), "a module begins with a docstring that says what it is"


def test_few_modules_are_loose():
    loose = [path.stem for path in SOURCE.glob("*.py") if path.stem != "__init__"]
    assert sorted(loose) == ["__main__", "errors", "initializers", "testing"]


def test_no_deep_learning_library_is_imported():
    tops = {module.split(".")[0]: relative(path) for path in FILES for module, _ in imports(parsed(path))}
    assert "numpy" in tops
    assert not DEEP_LEARNING & set(tops)


def run(program: str) -> list[str]:
    """Run a program in a new interpreter and return the words that it prints."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()


def test_importing_pellucid_imports_nothing_heavy():
    loaded = run(
        "import sys, pellucid, pellucid.model.model, pellucid.data\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    assert {"numpy", "pellucid"} <= set(loaded)
    assert not HEAVY & set(loaded)


def test_unused_modules_are_not_loaded():
    loaded = run(
        "import sys\nfrom pellucid import Dense, Model\nprint(*(name for name in sys.modules if name.startswith('pellucid')))"
    )
    assert {"pellucid.layers.dense", "pellucid.model.model"} <= set(loaded)
    assert not {"pellucid.layers.recurrent", "pellucid.optim.adaptive", "pellucid.plots.style"} & set(loaded)


STUBS = sorted(SOURCE.rglob("__init__.pyi"))


@pytest.mark.parametrize("stub", STUBS, ids=relative)
def test_every_name_in_a_stub_is_exported(stub):
    package = importlib.import_module(module_of(stub.with_suffix(".py")))
    names = exports(stub)
    tree = ast.parse(stub.read_text(encoding="utf-8"))
    typed = {alias.asname: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert names == typed, "the stub is read the same way at run time and by Python's parser"
    assert sorted(package.__all__) == sorted(names)
    assert set(names) <= set(dir(package))
    assert not [name for name in names if not hasattr(package, name)]
    beside = {one.stem for one in stub.parent.glob("*.py")} | {one.name for one in stub.parent.iterdir() if one.is_dir()}
    assert not beside & set(names), "importing that module would replace the exported name"


def test_there_are_stubs():
    assert len(STUBS) == 11


def test_settings_are_found_whatever_is_loaded():
    program = (
        "from pellucid.core.config import Config, from_json, registered_classes\n"
        "print(from_json({'class': 'Dense', 'units': 3}, Config))\n"
        "print(from_json({'class': 'Augmentation'}, Config))\n"
        "assert registered_classes(Config) == registered_classes(Config)\n"
        "assert {'Standardization', 'LSTM', 'Adam'} <= set(registered_classes(Config))\n"
    )
    assert run(program) == ["Dense(units=3)", "Augmentation()"]


KINDS = (Layer, Merge, Initializer, Loss, Metric, Component, Schedule, Policy)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_users_put_together_is_exported_by_the_whole_package(kind):
    names = {name for name in registered_classes(kind) if not name.startswith("_")}
    assert names
    assert names <= set(pellucid.__all__)
