"""The preset ``table``: its network, rates and epochs follow from the table, and settings take their place."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pellucid import (
    LBFGS,
    SGD,
    Adam,
    AverageWeights,
    CosineCycles,
    EarlyStopping,
    Exp,
    KeepBest,
    Model,
    ReLU,
    Rescale,
)
from pellucid.data import load
from pellucid.data.sources.user_data import ReadOptions
from pellucid.optim import components_of, rates_of, rule_of
from pellucid.recipes.tables import (
    AVERAGE,
    BATCH_SIZE,
    EPOCHS,
    MIN_BATCH_OF_MEMBERS,
    fit_options,
    table_network,
    table_optimizer,
)
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import run
from pellucid.runs.task import Task

READING = {"classes": ReadOptions(target="kind"), "numbers": ReadOptions(target="price", logarithm=False)}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    random = np.random.default_rng(0)
    n = 150
    a, town = random.normal(size=n), random.integers(0, 12, n)
    price = np.exp(1 + 0.5 * a + 0.3 * (town % 3) + random.normal(size=n))
    kind = np.where(a + random.normal(size=n) > 0, "yes", "no")
    cells = ["" if i % 9 == 0 else f"{value:.4f}" for i, value in enumerate(a)]
    rows = [f"{cells[i]},t{town[i]},{price[i]:.4f},{kind[i]}" for i in range(n)]
    path = tmp_path_factory.mktemp("table") / "t.csv"
    path.write_text("\n".join(["a,town,price,kind", *rows]) + "\n")
    return str(path)


def settings(table, task="classes", **changes):
    return RunSettings(data=table, model="table", reading=READING[task], **changes)


def train_set(table, task="classes"):
    return load(table, reading=READING[task]).train


def test_the_recipe_follows_from_the_table(table):
    data = train_set(table)
    kinds = data.input_stage().value_kinds
    assert kinds == ("number", "binary", 13, "number")
    recipe = RunPlan.of(settings(table)).recipe_for(data)
    network = table_network(len(data), kinds, "classes", 2)
    assert recipe.network(2) == network
    assert recipe.optimizer == table_optimizer(network, 4, "classes")
    assert recipe.fit == fit_options(len(data), validated=True)
    assert recipe.fit.policies == (AverageWeights(AVERAGE), KeepBest())
    assert Task.of(recipe, data, "table").network == network, "codes have their vectors already"


def test_small_batches_have_no_ensemble(table):
    data = train_set(table, "numbers")
    kinds = data.input_stage().value_kinds
    for size, rows in ((MIN_BATCH_OF_MEMBERS - 1, None), (MIN_BATCH_OF_MEMBERS, len(data))):
        network = RunPlan.of(settings(table, "numbers", batch_size=size)).recipe_for(data).network(1)
        assert network == table_network(rows, kinds, "numbers", 1)
    assert table_network(None, kinds, "numbers", 1) != network


def test_a_number_is_learned_in_its_unit(table):
    data = train_set(table, "numbers")
    recipe = RunPlan.of(settings(table, "numbers")).recipe_for(data)
    task = Task.of(recipe, data, "table")
    assert task.network.layers[:-1] == recipe.network(1).layers[:-1]
    assert isinstance(task.network.layers[-1], Rescale)
    assert rule_of(recipe.optimizer).learning_rate == CosineCycles(0.05)
    paths = set(task.network.build(data.shape).slots)
    assert {path for path, _ in rates_of(recipe.optimizer)} == paths, "the rates are those of the network that is trained"
    logarithms = load(table, reading=ReadOptions(target="price", logarithm=True)).train
    assert isinstance(Task.of(recipe, logarithms, "table").network.layers[-1], Exp)


def test_settings_take_the_place_of_those_of_the_recipe(table):
    data = train_set(table)
    given = settings(table, hidden="8x4", lr=0.02, epochs=5, batch_size=30, early_stopping=2)
    recipe = RunPlan.of(given).recipe_for(data)
    assert recipe.network(2) == table_network(len(data), data.input_stage().value_kinds, "classes", 2, hidden=(8, 4))
    assert rule_of(recipe.optimizer) == Adam(CosineCycles(0.02), beta2=0.95)
    assert (recipe.fit.epochs, recipe.fit.batch_size) == (5, 30)
    assert recipe.fit.policies == (AverageWeights(AVERAGE), EarlyStopping(2))
    assert RunPlan.of(settings(table, optimizer="sgd")).recipe_for(data).optimizer == SGD(0.01)
    plain = RunPlan.of(settings(table, optimizer="lbfgs")).recipe_for(data)
    assert (plain.optimizer, plain.fit.policies) == (LBFGS(), ())
    assert isinstance(plain.network(2).layers[2], ReLU)


def test_a_run_keeps_the_best_epoch_and_says_so(table, tmp_path):
    lines = []
    found = run(RunPlan.of(settings(table)), tmp_path / "run", notify=lines.append, progress=False)
    rows = (tmp_path / "run/history.csv").read_text().splitlines()
    column = rows[0].split(",").index("validation_loss")
    losses = [float(row.split(",")[column]) for row in rows[1:]]
    best = 1 + int(np.argmin(losses))
    assert (found["best_epoch"], len(losses)) == (best, EPOCHS)
    assert best < EPOCHS
    assert f"kept      the parameters of epoch {best}, the best of {EPOCHS}" in lines
    assert found["validation"]["loss"] == pytest.approx(min(losses), rel=1e-6)
    training = next(line for line in lines if line.startswith("training"))
    assert training.startswith(f"training  {EPOCHS} epochs, batches of {BATCH_SIZE}, ")
    assert "factors of the learning rate" in training
    assert "rates=" not in training
    model = Model.load(tmp_path / "run/model.pellucid")
    assert components_of(model.optimizer)[1] == Adam(CosineCycles(0.01), beta2=0.95)


def test_a_network_of_another_run_gets_rates_of_the_recipe(table, tmp_path):
    first = dataclasses.replace(settings(table, hidden="6", epochs=1), model="mlp")
    run(RunPlan.of(first), tmp_path / "mlp", notify=print, progress=False)
    second = dataclasses.replace(settings(table, epochs=1), from_run=str(tmp_path / "mlp"))
    data = train_set(table)
    plan = RunPlan.of(second)
    assert plan.recipe_for(data).optimizer == plan.recipe.optimizer, "the preset of that run is not table"
    run(RunPlan.of(settings(table, hidden="6", epochs=1)), tmp_path / "first", notify=print, progress=False)
    further = RunPlan.of(settings(table, epochs=1, from_run=str(tmp_path / "first"))).recipe_for(data)
    network = Model.load(tmp_path / "first/model.pellucid").network
    assert further.network(2) == network
    assert further.optimizer == table_optimizer(network, 4, "classes")
