"""Dropout and weight decay as settings of a run."""

from __future__ import annotations

import json

import pytest

from pellucid import SGD, Adam, AlphaDropout, Chain, ClipNorm, ConfigError, Decay, Dense, Dropout, MaxNorm, Sequential
from pellucid.core.config import to_json
from pellucid.model.model import Model
from pellucid.networks.composite import primitives
from pellucid.optim import LBFGS
from pellucid.runs import presets
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.regularization import with_decay, with_dropout
from pellucid.runs.resuming import resume, saved_plan
from pellucid.runs.run import run
from pellucid.training import EarlyStopping, TimeBudget


def rates(recipe):
    return [layer.rate for _, layer in primitives(recipe.network(3)) if isinstance(layer, (Dropout, AlphaDropout))]


def test_dropout_of_presets():
    assert rates(with_dropout(presets.preset("mlp"), 0.2, "mlp")) == [0.2, 0.2]
    assert rates(with_dropout(presets.preset("mlp-best"), 0.5, "mlp-best")) == [0.2, 0.5, 0.5]  # the input keeps its rate
    assert rates(with_dropout(presets.preset("cnn"), 0.1, "cnn")) == [0.1]
    gpt = presets.preset("gpt")
    changed = with_dropout(gpt, 0.3, "gpt")
    assert set(rates(changed)) == {0.3}
    assert len(rates(changed)) == len(rates(gpt))
    assert rates(with_dropout(presets.preset("mlp"), 0.0, "mlp")) == []
    assert rates(with_dropout(presets.preset("cnn"), 0.0, "cnn")) == [0.0]
    for name in ("cnn-fast", "bigram", "forecast"):
        with pytest.raises(ConfigError, match=f"the network of {name} has no layer of dropout"):
            with_dropout(presets.preset(name), 0.2, name)
    with pytest.raises(ConfigError, match="no hidden layer"):
        RunPlan.of(RunSettings(hidden="none", dropout=0.1))
    for rate in (-0.1, 1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="expected a rate from 0 to below 1"):
            with_dropout(presets.preset("mlp"), rate, "mlp")


def test_dropout_of_a_network_in_a_file(tmp_path):
    network = Sequential(Dense(4), AlphaDropout(0.1), Sequential(Dense(4), Dropout(0.4)), Dense(3))
    (tmp_path / "net.json").write_text(json.dumps(to_json(network)))
    plan = RunPlan.of(RunSettings(model=str(tmp_path / "net.json"), dropout=0.25))
    assert rates(plan.recipe) == [0.25, 0.25]


def test_weight_decay():
    assert with_decay(SGD(0.1), 0.5) == Chain(Decay(0.5), SGD(0.1))
    assert with_decay(Chain(ClipNorm(1.0), Decay(0.1), Adam(), rates={"*.b": 0.1}), 0.0) == Chain(
        ClipNorm(1.0), Decay(0.0), Adam(), rates={"*.b": 0.1}
    )
    assert with_decay(Chain(ClipNorm(1.0), SGD(0.1), MaxNorm(2.0)), 0.3) == Chain(
        ClipNorm(1.0), Decay(0.3), SGD(0.1), MaxNorm(2.0)
    )
    for strength in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="expected a number of at least 0"):
            with_decay(Adam(), strength)
    with pytest.raises(ConfigError, match="leave --decay out"):
        with_decay(LBFGS(), 0.1)
    plan = RunPlan.of(RunSettings(optimizer="adamw", lr=0.02, decay=0.3))
    assert plan.recipe.optimizer == Chain(Decay(0.3), Adam(0.02))


def test_a_run_with_these_settings_is_resumed_with_them(tmp_path, mnist_folder, no_figures):
    settings = RunSettings(model="mlp", hidden="4", epochs=3, limit=200, dropout=0.25, decay=0.1, batch_size=50)
    plan = RunPlan.of(settings)
    assert (plan.record()["dropout"], plan.record()["decay"]) == (0.25, 0.1)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    run(plan, whole, notify=lambda line: None, progress=False)
    run(plan, cut, notify=lambda line: None, progress=False, observer=lambda event, control, history: event.epoch < 2)
    assert saved_plan(cut).recipe.optimizer == plan.recipe.optimizer
    resume(cut, notify=lambda line: None, progress=False)
    one, other = (Model.load(folder / "model.pellucid") for folder in (whole, cut))
    assert one.parameters.tobytes() == other.parameters.tobytes()
    assert [layer.rate for _, layer in primitives(other.network) if isinstance(layer, Dropout)] == [0.25]
    assert Decay(0.1) in other.optimizer.pieces


def test_a_time_budget_is_the_first_policy():
    plan = RunPlan.of(RunSettings(early_stopping=3, time_budget=20.0))
    assert plan.recipe.fit.policies == (TimeBudget(20.0), EarlyStopping(3))
    assert RunSettings.from_json(plan.settings.to_json(), "") == plan.settings
    for seconds in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="expected a number of seconds above 0"):
            RunPlan.of(RunSettings(time_budget=seconds))
