"""The order of the house: a file imports only from files above it, and heavy things load on use."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import pellucid

SOURCE = Path(pellucid.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
# fmt: off
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
    "export",
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
    "matplotlib", "numba", "sklearn", "rich", "typer", "PIL", "mlxtend", "safetensors", "threadpoolctl", "starlette", "uvicorn",
    "jinja2",
    "onnx", "onnxruntime",
}
DEEP_LEARNING = {
    "torch", "torchvision", "jax", "flax", "haiku", "equinox", "optax", "tensorflow", "keras", "autograd", "theano",
    "aesara", "pytensor", "mxnet", "paddle", "chainer", "tinygrad", "mindspore", "cntk", "caffe2", "lasagne", "thinc",
    "micrograd", "fastai", "lightning", "transformers",
}
# fmt: on
TOP = ("experiment", "lab", "report", "app", "cli")
SAY_THE_VERSION = (*TOP, "export")  # these may also ask the package itself, for its version
EXCEPTION = SOURCE / "networks" / "composite.py"  # Composite.compile makes a Model
ALLOWED_UPWARD = {"data", "losses", "metrics", "modelfile", "summary", "model", "optim"}


def unit_of(path: Path) -> str:
    """The line of the house that a file belongs to: ``layers`` for layers/dense.py."""
    return path.relative_to(SOURCE).with_suffix("").parts[0]


def imports(tree: ast.AST) -> list[tuple[str, str | None]]:
    """(module, name or None) of every import in the tree, those inside functions and TYPE_CHECKING included."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


def units_imported(tree: ast.AST) -> set[str]:
    """The lines of the house that a file imports; "pellucid" stands for a name of the package itself."""
    units = set()
    for module, name in imports(tree):
        top, _, rest = module.partition(".")
        if top == "pellucid":
            unit = rest.split(".")[0] or name or "pellucid"
            units.add(unit if unit in ORDER else "pellucid")
    return units


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", [path for path in FILES if path.parent != SOURCE or path.stem != "__init__"], ids=named)
def test_imports_point_up_the_list(path):
    unit = unit_of(path)
    assert unit in ORDER, f"{unit} has no place in the order of the house"
    for other in units_imported(parsed(path)) - {unit}:
        if other == "pellucid":
            assert unit in SAY_THE_VERSION, f"{named(path)} imports from the package itself: name the file"
        elif path == EXCEPTION and other in ALLOWED_UPWARD:
            continue
        else:
            assert ORDER.index(other) < ORDER.index(unit), f"{named(path)} imports {other}, which stands below it"
        assert unit != "optim" or other not in ("layers", "networks", "losses"), "optimizers know vectors, not layers"


def test_the_exception_serves_compile_alone():
    tree = parsed(EXCEPTION)
    upward = []
    for statement in tree.body:
        unguarded = not (isinstance(statement, ast.If) and ast.unparse(statement.test) == "TYPE_CHECKING")
        places = statement.body if isinstance(statement, ast.ClassDef) else [statement]
        for place in places:
            if unguarded and any(ORDER.index(u) > ORDER.index("networks") for u in units_imported(place) - {"pellucid"}):
                upward.append(getattr(place, "name", "the file itself"))
    assert upward == ["compile"]


@pytest.mark.parametrize("path", [path for path in FILES if unit_of(path) in TOP], ids=named)
def test_the_top_uses_only_what_is_public(path):
    tree = parsed(path)
    for module, name in imports(tree):
        if module.startswith("pellucid"):
            assert not (name or "").startswith("_") or name == "__version__", f"{named(path)} imports {name} of {module}"
            assert "._" not in module, f"{named(path)} imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            assert ast.unparse(node.value) in ("self", "cls"), f"{named(path)} line {node.lineno} uses {ast.unparse(node)}"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_files_are_short_and_say_what_they_are(path):
    assert ast.get_docstring(parsed(path)), "a module opens by saying what the thing is"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, "a file has one subject"


def test_no_deep_learning_library_is_imported():
    tops = {module.split(".")[0]: named(path) for path in FILES for module, _ in imports(parsed(path))}
    assert "numpy" in tops
    assert not DEEP_LEARNING & set(tops)


def test_importing_pellucid_imports_nothing_heavy():
    program = "import sys, pellucid, pellucid.model.model, pellucid.data; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "pellucid"} <= set(loaded)
    assert not HEAVY & set(loaded)


def test_everything_exported_is_there():
    assert sorted(pellucid.__all__) == sorted(set(pellucid.__all__))
    assert not [name for name in pellucid.__all__ if not hasattr(pellucid, name)]


LAZY = [path for path in FILES if "lazily.names(" in path.read_text(encoding="utf-8") and path.stem == "__init__"]


@pytest.mark.parametrize("path", LAZY, ids=named)
def test_a_package_says_the_same_to_all_its_readers(path):
    """What is loaded on use stands in ``__all__``, in the imports for type checkers, and in the table, alike."""
    tree = parsed(path)
    package = ".".join(["pellucid", *path.relative_to(SOURCE).parts[:-1]])
    checkers = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    typed = {(module, name) for module, name in imports(checkers)}
    (call,) = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "lazily.names"]
    table = {(f"{package}.{module}", name) for module, held in ast.literal_eval(call.args[1]).items() for name in held.split()}
    assert typed == table
    exported = importlib.import_module(package)
    assert sorted(exported.__all__) == sorted(name for _, name in table)
    assert set(exported.__all__) <= set(dir(exported))
    assert not [name for name in exported.__all__ if not hasattr(exported, name)]
    modules = {module.rpartition(".")[2] for module, _ in table}
    assert not [module for module in modules if not hasattr(exported, module)]
    beside = {one.stem for one in path.parent.glob("*.py")} | {one.name for one in path.parent.iterdir() if one.is_dir()}
    assert not beside & set(exported.__all__), "an import of that module would put it into the name's place"


def test_lazy_packages_are_found():
    assert len(LAZY) == 8


def test_settings_are_found_whatever_is_loaded():
    program = (
        "from pellucid.core.config import Config, from_json, registered\n"
        "print(from_json({'class': 'Dense', 'units': 3}, Config))\n"
        "print(from_json({'class': 'Augmentation'}, Config))\n"
        "assert registered(Config) == registered(Config)\n"
        "assert {'Standardized', 'Reading', 'LSTM'} <= set(registered(Config))\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["Dense(units=3)", "Augmentation()"]


def test_what_is_not_used_is_not_loaded():
    program = (
        "import sys; from pellucid import Dense, Model; print(*(name for name in sys.modules if name.startswith('pellucid')))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"pellucid.layers.dense", "pellucid.model.model"} <= set(loaded)
    assert not {"pellucid.layers.recurrent", "pellucid.optim.adaptive", "pellucid.metrics.ranks"} & set(loaded)
