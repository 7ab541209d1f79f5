"""Tests of what a training needs of the compiled kernels, and of the command that compiles it."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

import pellucid.model.first_use
from pellucid import kernels
from pellucid.cli import application
from pellucid.errors import ConfigError
from pellucid.kernels import compilation, prebuilt
from pellucid.optim import rule_of
from pellucid.runs import first_use
from pellucid.runs.presets import PRESETS
from pellucid.runs.task import Task

RULES = {"SGD": "sgd", "Adam": "adam", "Muon": "sgd_momentum"}


@pytest.mark.parametrize("name", PRESETS)
def test_the_calls_of_each_preset_are_found_from_the_data_to_the_optimizer(name):
    recipe = PRESETS[name]
    for data in first_use._examples(name):
        task = Task.of(recipe, data, name)
        with kernels.using("reference"):
            model = task.network.compile(data.shape, task.loss, recipe.optimizer, task.metrics, classes=data.classes)
        called = {call.name for call in first_use.kernel_calls(model, data, None, None, recipe.fit)}
        assert RULES[type(rule_of(recipe.optimizer)).__name__] in called
        assert {"affine", "conv2d", "lstm_forward", "conv2d_relu", "gather"} & called
        assert "sum_of_squares" in called


def test_recording_changes_nothing_in_the_model():
    recipe, (data,) = PRESETS["mlp-small"], first_use._examples("mlp-small")
    task = Task.of(recipe, data, "mlp-small")
    with kernels.using("reference"):
        model = task.network.compile(data.shape, task.loss, recipe.optimizer, task.metrics, classes=data.classes)
    before = model.parameters.copy()
    first_use.kernel_calls(model, data, None, None, recipe.fit)
    assert (model.parameters == before).all()
    assert len(model.history) == 0


def test_warm_up_makes_the_calls_with_the_compiled_kernels_and_trains(monkeypatch):
    made, trained, train = [], [], first_use.train_briefly

    def counted(model, *arguments):
        trained.append(kernels.name_of(model.kernels))
        if trained[-1] == "reference":
            train(model, *arguments)

    monkeypatch.setattr(compilation, "usable_cores", lambda: 1)
    monkeypatch.setattr(compilation, "make", lambda calls, kernel_set: made.extend((call, kernel_set) for call in calls))
    for module in (first_use, pellucid.model.first_use):
        monkeypatch.setattr(module, "train_briefly", counted)
    done = first_use.warm_up(["mlp-small"])
    assert (done.presets, done.processes) == (("mlp-small",), 1)
    assert done.folder.is_dir()
    assert trained == ["reference", "compiled"]
    assert len({call.kind for call, _ in made}) == len(made) > 5
    assert {kernels.name_of(kernel_set) for _, kernel_set in made} == {"compiled"}


@pytest.mark.parametrize(("number", "exception"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_ends_a_warm_up_after_the_kernel_that_is_being_compiled(monkeypatch, number, exception):
    made, handler = [], signal.getsignal(number)

    def interrupted(calls, kernel_set):
        signal.raise_signal(number)
        made.extend(calls)

    monkeypatch.setattr(compilation, "usable_cores", lambda: 1)
    monkeypatch.setattr(compilation, "make", interrupted)
    with pytest.raises(exception):
        first_use.warm_up(["mlp-small"])
    assert len(made) == 1
    assert signal.getsignal(number) == handler


def test_an_unknown_preset_and_a_cache_that_cannot_be_written_are_refused(monkeypatch):
    for name in ("mlpp", "network.json"):
        with pytest.raises(ConfigError, match=f"there is no preset '{name}': "):
            first_use.warm_up([name])
    monkeypatch.setattr(kernels.load("compiled"), "cache_folder", lambda: None)
    with pytest.raises(ConfigError, match="NUMBA_CACHE_DIR"):
        first_use.warm_up(["mlp-small"])


def test_with_a_prebuilt_library_there_is_nothing_to_compile(monkeypatch, tmp_path):
    library = SimpleNamespace(path=tmp_path / "x86-64-v3.so")
    monkeypatch.setattr(prebuilt, "library", lambda: library)
    done = first_use.warm_up(["mlp-small"])
    assert (done.presets, done.processes, done.library) == (("mlp-small",), 0, library.path)
    with pytest.raises(ConfigError, match="there is no preset 'mlp-smal'"):
        first_use.warm_up(["mlp-smal"])
    (line,) = CliRunner().invoke(application(), ["warm-up", "mlp-small"]).output.splitlines()
    assert line == f"prebuilt  the kernels came with the installation: {library.path}"
    assert CliRunner().invoke(application(), ["warm-up", "mlp-smal"]).exit_code != 0
