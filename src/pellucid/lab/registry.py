"""Finding experiments: their names, their order in the report, and the fingerprint of their code."""

from __future__ import annotations

import ast
import hashlib
import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from pellucid.errors import ConfigError, did_you_mean
from pellucid.lab import experiments
from pellucid.lab.experiment import Experiment
from pellucid.lab.experiments import CHAPTERS


def names() -> list[str]:
    """Return the names of all experiments in alphabetical order: the names of their modules, with hyphens."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(experiments.__path__))


def load(name: str) -> Experiment:
    """Return the experiment with this name. Raises ConfigError if it does not exist."""
    if name not in names():
        raise ConfigError(f"there is no experiment {name!r}: {did_you_mean(name, names())}; see pellucid lab list")
    experiment: Experiment = importlib.import_module(f"{experiments.__name__}.{name.replace('-', '_')}").EXPERIMENT
    return experiment


def load_all() -> list[tuple[str, Experiment]]:
    """Return all experiments with their names, in the order of the report."""
    chapters, listed = list(CHAPTERS), [name for members in CHAPTERS.values() for name in members]

    def position(item: tuple[str, Experiment]) -> tuple[int, int, str]:
        name, experiment = item
        return chapters.index(experiment.chapter), listed.index(name) if name in listed else len(listed), name

    return sorted(((name, load(name)) for name in names()), key=position)


def select(wanted: Sequence[str]) -> list[str]:
    """Return the wanted names without duplicates, or all names in the order of the report if none is given.

    Raises ConfigError if a name does not exist.
    """
    if not wanted:
        return [name for name, _ in load_all()]
    for name in wanted:
        load(name)
    return list(dict.fromkeys(wanted))


def fingerprint(name: str) -> str:
    """Return a hash of the code that measures an experiment. Results with a different fingerprint are measured again.

    The texts, the verdict, the table and the figure are not part of it. It may differ between versions of Python, because
    ``ast.unparse``, which writes the code, does.
    """
    file = Path(experiments.__path__[0]) / f"{name.replace('-', '_')}.py"
    tree = ast.parse(file.read_text(encoding="utf-8"))
    measuring = [node for node in tree.body[1:] if not _is_presentation(node)]  # the first node is the question
    return hashlib.sha256(ast.unparse(ast.Module(measuring, [])).encode()).hexdigest()[:16]


def _is_presentation(node: ast.stmt) -> bool:
    """Return whether a statement of an experiment's module has no effect on the measured values."""
    if isinstance(node, ast.FunctionDef):
        return node.name in ("verdict", "table", "figure")
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "EXPERIMENT"
