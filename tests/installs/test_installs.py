"""Bounds, extras and errors agree: what pyproject.toml requires, what docs/installing.md lists, and what errors name."""

from __future__ import annotations

import ast
import re
import sys

import pytest

import pellucid.lab.running
from pellucid import ConfigError, plots
from pellucid.core.files import read_json, write_text
from pellucid.core.json_text import json_text
from pellucid.explain import partial_dependence, permutation_importance
from pellucid.lab.experiment import Size, Trial
from pellucid.training import blas
from tests.installs.bounds import ROOT, lower_bounds, requirements_by_extra, same
from tests.installs.run import USES, extras

MODULES = {"pillow": "PIL", "scikit-learn": "sklearn", "mpich": "mpi4py", "pandas": "pandas"}


def test_the_documentation_lists_the_bounds_of_every_extra():
    text = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (?:`(\w+)`|\(core\)) \| (`[^|]*`) \|", text, re.M))
    listed = {name: lower_bounds(re.findall(r"`([^`]*)`", packages)) for name, packages in rows.items()}
    expected = {name: packages for name, packages in requirements_by_extra().items() if name not in ("docs", "dev", "all")}
    assert listed == expected


def test_every_extra_is_tried_in_fresh_environments_and_is_part_of_all():
    assert set(USES) == set(extras()) - {"all"}
    assert set(re.findall(r"[a-z]+", extras()["all"][0].partition("[")[2])) == set(USES) - {"optuna", "mpi"}


def test_every_package_that_the_sources_import_is_required():
    imported = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            imported |= {name.partition(".")[0] for name in names if name}
    required = {MODULES.get(name, name) for packages in requirements_by_extra().values() for name in packages}
    indirect = {"anyio", "llvmlite", "markupsafe"}  # of Starlette, Numba and Jinja2
    assert imported - set(sys.stdlib_module_names) - {"pellucid"} - indirect <= required


def test_a_bound_is_the_version_itself():
    assert same("2.0", "2.0.0")
    assert same("3.8.4", "3.8.4")
    assert not same("2.0", "2.0.1")
    assert not same("2.0", "2.1.0")
    with pytest.raises(ValueError, match="numpy"):
        lower_bounds(["numpy"])


def test_what_needs_scikit_learn_or_matplotlib_inside_names_the_extra(monkeypatch):
    class Estimator:
        def fit(self, x, y):
            return self

        def predict(self, x):
            return x[:, 0]

    x = [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]]
    for name in ("sklearn", "sklearn.inspection", "sklearn.neural_network", "matplotlib"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"permutation_importance: .* pip install 'pellucid\[sklearn\]'"):
        permutation_importance(Estimator(), x, [0.0, 1.0, 2.0])
    with pytest.raises(ConfigError, match=r"partial_dependence: .* pip install 'pellucid\[sklearn\]'"):
        partial_dependence(Estimator(), x, 0)
    with pytest.raises(ConfigError, match=r"library-comparison needs scikit-learn: pip install 'pellucid\[lab\]'"):
        pellucid.lab.running.measure_seed("library-comparison", Trial(0, Size.TINY, None))
    with pytest.raises(ConfigError, match=r"figures need Matplotlib: pip install 'pellucid\[plots\]'"):
        plots.maps({"truth": [[[0, 1], [1, 0]]]})


def test_a_name_that_is_no_utf_8_is_stored_and_read_again(tmp_path):
    name = b"caf\xe9.csv".decode("utf-8", "surrogateescape")
    write_text(tmp_path / "config.json", json_text({"data": name, "größe": 1}))
    assert r"caf\udce9.csv" in (tmp_path / "config.json").read_text(encoding="utf-8")
    assert read_json(tmp_path / "config.json") == {"data": name, "größe": 1}


def test_training_goes_on_where_the_paths_of_libraries_cannot_be_encoded(monkeypatch):
    def fails(self):
        raise UnicodeEncodeError("ascii", "é", 0, 1, "ordinal not in range(128)")

    monkeypatch.setattr("threadpoolctl.ThreadpoolController.__init__", fails)
    blas._libraries_of.cache_clear()
    assert blas.describe().endswith("(its threads cannot be limited)")
    with blas.limited(1):
        pass
    blas._libraries_of.cache_clear()
