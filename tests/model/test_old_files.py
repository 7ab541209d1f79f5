"""Model files of released versions: they load, predict the same numbers, are evaluated, and are trained on.

``tests/model/files/make.py`` writes the files of a version, once. Later versions must read them as they are.
"""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pellucid import LBFGS, Model
from pellucid.core.config import registered_classes
from pellucid.losses import Loss
from pellucid.optim import Rule
from tests.model.files.cases import OWN, checkpointed
from tests.model.files.make import EPOCHS

FOLDER = Path(__file__).parent / "files"
VERSIONS = sorted(path.name for path in FOLDER.iterdir() if (path / "arrays.npz").exists())
FILES = sorted(FOLDER.glob("*/*.pellucid"))


@cache
def stored(version: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / version / "arrays.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def value(path: Path, what: str):
    """Return an array of the case ``path``, a dictionary of arrays by input or output, or None."""
    arrays, name = stored(path.parent.name), f"{path.stem}/{what}"
    if name in arrays:
        return arrays[name]
    return {key.removeprefix(f"{name}/"): one for key, one in arrays.items() if key.startswith(f"{name}/")} or None


def assert_close(actual, expected, tolerance):
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
        for name, one in expected.items():
            assert_close(actual[name], one, tolerance)
    else:
        np.testing.assert_allclose(np.asarray(actual, float), np.asarray(expected, float), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_file_of_a_released_version_is_used_as_before(path, tmp_path):
    model = Model.load(path, custom_classes=OWN)
    x, y = value(path, "x"), value(path, "y")
    assert_close(model.predict(x), value(path, "predicted"), 1e-6)
    evaluated = json.loads((path.parent / "evaluated.json").read_text(encoding="utf-8")).get(path.stem)
    assert (evaluated is None) == (model.loss is None) == (y is None)
    if evaluated is not None:
        assert_close(dict(model.evaluate(x, y)), evaluated, 1e-5)
        steps = model.state.steps
        model.fit(x, y, epochs=2, batch_size=None if isinstance(model.optimizer, LBFGS) else 8)
        assert model.state.steps > steps > 0, "the training goes on"
        assert np.isfinite(model.parameters).all()
    again = tmp_path / "again"
    model.save(again, training_state=True)
    assert_close(Model.load(again, custom_classes=OWN).predict(x), model.predict(x), 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_training_of_a_released_version_goes_on(version, tmp_path):
    folder = tmp_path / "checkpoints"
    shutil.copytree(FOLDER / version / "checkpoints", folder)
    case = checkpointed(folder, EPOCHS, resume=folder)
    assert case.model.history["epoch"] == [1, 2, 3, 4]
    assert case.model.history.problems == [] or "rounding" in case.model.history.problems[0]
    assert_close(case.model.predict(case.x), stored(version)["checkpoints/predicted"], 1e-4)


YOUNGER: frozenset[str] = frozenset(["LogSquaredError"])  # losses and rules that were added after 0.1


def test_the_files_have_all_losses_and_rules():
    settings = b"".join(path.read_bytes() for path in (FOLDER / "0.1").glob("*.pellucid")).decode("latin-1")
    for name in {**registered_classes(Loss), **registered_classes(Rule)}:
        assert name in YOUNGER or f'\\"class\\":\\"{name}\\"' in settings, name
