"""The recipe for tables: its network, rates and options, and what it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pellucid import (
    L2,
    SELU,
    Adam,
    AverageWeights,
    Chain,
    Columns,
    ConfigError,
    Cosine,
    CosineCycles,
    Decay,
    Dense,
    DensePerPosition,
    Dropout,
    Identity,
    KeepBest,
    LearnedScale,
    LeCun,
    Members,
    Sequential,
    Sigmoid,
    Signs,
    Softmax,
    Tanh,
    Zeros,
)
from pellucid.optim import Clock, Updater, components_of, rule_of
from pellucid.recipes.tables import (
    AVERAGE,
    BATCH_SIZE,
    EPOCHS,
    HIDDEN,
    MAX_EMBEDDED,
    MAX_ROWS_OF_MEMBERS,
    MEMBERS,
    MIN_EPOCHS,
    MIN_VALIDATED,
    RATES,
    SPARSE_DECAY,
    SPARSE_RATES,
    VALIDATION,
    table_network,
    table_optimizer,
    table_recipe,
)

KINDS = ("number", "binary", 12, "number")


def test_the_recipe_of_a_regression():
    recipe = table_recipe(1000, KINDS, "numbers", 1)
    assert isinstance(recipe.network, Sequential)
    assert recipe.network.build((4,)).shape == (1,)
    columns = recipe.network.layers[0]
    assert isinstance(columns, Columns)
    assert columns.kinds == KINDS
    assert columns.build((4,)).shape == (2 + 2 * 3 + 1 + 8,)  # numbers and their functions, the binary value, a vector
    assert recipe.fit.policies == (AverageWeights(AVERAGE), KeepBest())
    assert (recipe.fit.epochs, recipe.fit.batch_size, recipe.validation_fraction) == (EPOCHS, BATCH_SIZE, VALIDATION)


@pytest.mark.parametrize(("answer", "head"), [("classes", Softmax), ("labels", Sigmoid)])
def test_the_recipe_of_answers(answer, head):
    recipe = table_recipe(1000, KINDS, answer, 3)
    assert isinstance(recipe.network.layers[-1], head)
    assert recipe.network.build((4,)).shape == (3,)
    assert rule_of(recipe.optimizer).learning_rate == CosineCycles(RATES[answer])


def test_every_row_of_a_small_table_is_trained_on():
    recipe = table_recipe(MIN_VALIDATED - 1, KINDS, "numbers", 1)
    assert (recipe.fit.policies, recipe.validation_fraction) == ((AverageWeights(AVERAGE),), 0.0)


def test_large_tables_have_fewer_epochs():
    epochs = [table_recipe(rows, KINDS, "numbers", 1).fit.epochs for rows in (50, 10_000, 40_000, 1_000_000)]
    assert epochs == [EPOCHS, EPOCHS, 32, MIN_EPOCHS]  # 40,000 rows: 250 steps of 128 of the 32,000 that are trained on


def test_small_tables_have_an_ensemble_in_one_network():
    rows = math.floor(MAX_ROWS_OF_MEMBERS / (1 - VALIDATION))
    small, large = (table_recipe(n, KINDS, "numbers", 1) for n in (rows, rows + 2))
    (ensemble,) = [layer for layer in small.network.layers if isinstance(layer, Members)]
    assert ensemble.count == MEMBERS
    assert ensemble.layers[0] == LearnedScale(Signs())
    assert ensemble.layers[1:-1] == large.network.layers[2:-2]  # the hidden layers are those of a single network
    assert ensemble.layers[-1] == DensePerPosition(1, Zeros())
    rates, shared = dict(small.optimizer.rates), dict(large.optimizer.rates)
    assert rates["members1.denseperposition1.W"] == 1 / math.sqrt(HIDDEN[-1])
    assert rates["members1.denseperposition1.b"] == 0.1
    assert rates["members1.learnedscale1.scale"] == 6.0
    assert rates["members1.dense1.W"] == shared["dense1.W"]
    assert table_network(1000, KINDS, "classes", 2) == table_network(None, KINDS, "classes", 2)
    assert table_network(None, KINDS, "numbers", 1) == large.network  # rows that come one after the other
    assert {path for path in shared if "columns" in path} == {path for path in rates if "columns" in path}


def test_rates_are_those_of_the_neural_tangent_parametrization():
    """A step changes x W/√n by what the rate of RealMLP changes it, and decays W as there."""
    recipe = table_recipe(10_000, KINDS, "numbers", 1)
    rates = dict(recipe.optimizer.rates)
    n = 2 + 2 * 3 + 1 + 8
    assert rates["dense1.W"] == 1 / math.sqrt(n)
    assert rates["dense2.W"] == rates["dense4.W"] == 1 / math.sqrt(HIDDEN[0])
    assert rates["dense3.b"] == 0.1
    assert rates["learnedscale1.scale"] == 6.0
    waves = "columns1.numbers.waves.periodic1.frequencies"
    assert rates[waves] == rates["columns1.numbers.waves.denseperposition1.W"] == 0.1
    assert rates["columns1.code2.W"] == 1.0
    assert set(rates) == set(recipe.network.build((4,)).slots)
    model = recipe.network.compile((4,), recipe.loss, recipe.optimizer)
    W = model.weights["dense2.W"]
    before = W.copy()
    updater = Updater(recipe.optimizer, model.state.layout, model.kernels)
    updater.update(model.parameters, np.zeros_like(model.parameters), 0.01, 1)
    np.testing.assert_allclose(W / before, 1 - 0.01 * 0.02, rtol=1e-5)  # the decay of RealMLP


def test_the_optimizer_of_the_recipe():
    decay, adam = components_of(table_recipe(1000, KINDS, "numbers", 1).optimizer)
    assert isinstance(decay, Decay)
    assert isinstance(adam, Adam)
    assert adam.beta2 == 0.95
    schedule = adam.learning_rate
    assert schedule.at(Clock(1, 0, 0.0)) == schedule.at(Clock(1, 0, 1.0)) == pytest.approx(0, abs=1e-12)


def test_an_unknown_answer_is_refused():
    with pytest.raises(ConfigError, match="'numbers', 'classes', 'labels'"):
        table_recipe(10, KINDS, "words", 1)
    for sparse in (False, True):
        with pytest.raises(ConfigError, match="'word' is not a kind"):
            table_recipe(10, ("number", "word"), "numbers", 1, sparse=sparse)


def table(n, seed):
    """Return rows of two numbers, an answer and a code, and targets that depend on all of them by steps and waves."""
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=(n, 2)), rng.integers(0, 2, n), rng.integers(0, 20, n)])
    y = np.sin(3 * x[:, 0]) + (x[:, 1] > 0.3) + x[:, 2] * x[:, 0] + (x[:, 3] % 2)
    return x, y


def test_the_recipe_learns_steps_waves_and_categories():
    (x, y), (new_x, new_y) = table(1500, 0), table(1000, 1)
    kinds = ("number", "number", "binary", 20)
    for seed in (0, 1):
        recipe = table_recipe(len(x), kinds, "numbers", 1)
        assert isinstance(recipe.optimizer, Chain)
        model = recipe.network.compile((4,), recipe.loss, recipe.optimizer, seed=seed)
        spread = y.std()
        history = model.fit(
            x[:1200],
            (y[:1200, None] - y.mean()) / spread,
            validation=(x[1200:], (y[1200:, None] - y.mean()) / spread),
            epochs=recipe.fit.epochs,
            batch_size=recipe.fit.batch_size,
            policies=recipe.fit.policies,
        )
        assert len(history) == recipe.fit.epochs
        residual = model.predict(new_x)[:, 0] * spread + y.mean() - new_y
        assert 1 - np.mean(residual**2) / new_y.var() > 0.9, seed


def test_a_network_without_numbers():
    network = table_network(10_000, ("binary", 4), "classes", 2)
    assert network.build((2,)).shape == (2,)


def test_widths_activation_and_dropout_can_be_chosen():
    network = table_network(10_000, KINDS, "classes", 3, hidden=(8, 4), activation=Tanh(), dropout=0.0)
    assert network.layers[2:] == (Dense(8, LeCun()), Tanh(), Dense(4, LeCun()), Tanh(), Dense(3, Zeros()), Softmax())
    assert table_recipe(10_000, KINDS, "classes", 3, hidden=(8, 4), activation=Tanh(), dropout=0.0).network == network
    assert table_network(10_000, KINDS, "numbers", 1, hidden=()).layers[2:] == (Dense(1, Zeros()), Identity())


def test_numbers_of_wide_rows_have_no_embeddings():
    wide = ("number",) * (MAX_EMBEDDED + 1)
    assert table_network(10_000, wide, "classes", 2).layers[0] == Dense(HIDDEN[0], LeCun())
    assert table_network(10_000, (*wide, 7), "classes", 2).layers[:2] == (Columns((*wide, 7)), Dense(HIDDEN[0], LeCun()))
    assert isinstance(table_network(10_000, wide[1:], "classes", 2).layers[0], Columns)


def test_the_rate_and_the_decay_can_be_chosen():
    network = table_network(10_000, KINDS, "numbers", 1)
    chosen = table_optimizer(network, 4, "numbers", 0.02, penalty=0.5)
    assert components_of(chosen) == (L2(0.5), Adam(CosineCycles(0.02), beta2=0.95))
    assert chosen.rates == table_optimizer(network, 4, "numbers").rates
    assert components_of(table_optimizer(network, 4, "numbers", Cosine(0.3), penalty=0)) == (Adam(Cosine(0.3), beta2=0.95),)


def test_sparse_rows_have_a_small_network_of_their_own():
    recipe = table_recipe(1000, KINDS[:2], "classes", 3, sparse=True)
    expected = Dense(32, LeCun()), SELU(), Dropout(0.5), Dense(3, Zeros()), Softmax()
    assert recipe.network.layers == expected
    assert components_of(recipe.optimizer) == (SPARSE_DECAY, Adam(CosineCycles(SPARSE_RATES["classes"]), beta2=0.95))
    assert table_network(10_000, ("number",), "numbers", 1, hidden=(4,), dropout=0.1, sparse=True).layers[0] == Dense(
        4, LeCun()
    )
