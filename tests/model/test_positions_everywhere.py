"""Networks with an output at each position, through what one does with a model: ensembles, transfer, figures, metrics."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn.metrics

from pellucid import (
    GRU,
    LBFGS,
    R2,
    SGD,
    AbsoluteError,
    Accuracy,
    Adam,
    BinaryCrossEntropy,
    ConfigError,
    ConfusionMatrix,
    Conv2D,
    ConvTranspose2D,
    CrossEntropy,
    DataWarning,
    Dense,
    Dice,
    DivergedError,
    EarlyStopping,
    Ensemble,
    Frozen,
    Identity,
    IntersectionOverUnion,
    MeanSquaredError,
    PerPosition,
    Perturbation,
    Recall,
    ReLU,
    Reshape,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    plots,
    transfer,
)
from pellucid.data import Augmentation, Dataset
from pellucid.data.dataset import digest
from pellucid.model.activations import activations
from pellucid.sklearn import NetworkClassifier, NetworkRegressor

RANDOM = np.random.default_rng(0)
N = 20
PICTURES = RANDOM.random((N, 6, 6, 1)).astype(np.float32)
MAPS = (3 * PICTURES[..., 0]).astype(np.int64)
SERIES = RANDOM.normal(size=(N, 5, 2)).astype(np.float32)
SERIES[:8, 3:] = 0
TAGS = (SERIES[..., 0] > 0).astype(np.int64)
NEXT = np.cumsum(SERIES[:, -3:], axis=1)
BODY = (Conv2D(4, 3, padding="same"), ReLU())


def segmentation(**settings):
    return Sequential(*BODY, Dense(3), Softmax()).compile(
        (6, 6, 1), CrossEntropy(), **{"classes": ("ground", "disc", "block"), "optimizer": Adam(0.02), **settings}
    )


def tagging(**settings):
    network = Sequential(GRU(4, return_sequences=True, mask=0.0), Dense(2), Softmax())
    return network.compile((5, 2), CrossEntropy(), **settings)


def forecast(**settings):
    return Sequential(GRU(4), Dense(6), Reshape((3, 2))).compile((5, 2), MeanSquaredError(), **settings)


def pictures(**settings):
    network = Sequential(Conv2D(2, 3, 2, padding="same"), ReLU(), ConvTranspose2D(1, 4, 2, padding=(1, 1)), Sigmoid())
    return network.compile((6, 6, 1), BinaryCrossEntropy(), **settings)


TASKS = {
    "segmentation": (segmentation, PICTURES, MAPS),
    "tagging": (tagging, SERIES, TAGS),
    "forecast": (forecast, SERIES, NEXT),
    "pictures": (pictures, PICTURES, PICTURES),
}
EACH = pytest.mark.parametrize("task", TASKS)


# -- metrics ----------------------------------------------------------------------------------------------------------


def test_metrics_of_class_maps_count_pixels_and_leave_out_those_without_weight():
    model, weights = segmentation(), (RANDOM.random(MAPS.shape) > 0.3).astype(np.float32)
    metrics = [
        IntersectionOverUnion(),
        IntersectionOverUnion(average="macro"),
        Dice(1),
        ConfusionMatrix(),
        PerPosition(Accuracy()),
    ]
    scores = model.evaluate(PICTURES, MAPS, sample_weight=weights, metrics=metrics)
    predicted, counted = model.predict(PICTURES).argmax(axis=-1), weights > 0
    y, guess = MAPS[counted], predicted[counted]
    each = sklearn.metrics.jaccard_score(y, guess, average=None, labels=range(3))
    np.testing.assert_allclose(scores["iou"], each)
    assert scores["iou_macro"] == pytest.approx(each.mean())
    assert scores["dice_1"] == pytest.approx(sklearn.metrics.f1_score(y, guess, average=None, labels=range(3))[1])
    np.testing.assert_array_equal(scores["confusion_matrix"], sklearn.metrics.confusion_matrix(y, guess, labels=range(3)))
    right = (predicted == MAPS) * weights
    np.testing.assert_allclose(scores["accuracy_by_position"], right.sum(axis=0) / weights.sum(axis=0), rtol=1e-6)


def test_errors_at_each_step_and_their_columns():
    metrics = [PerPosition(AbsoluteError()), PerPosition(R2())]
    model = forecast(metrics=metrics)
    history = model.fit(SERIES, NEXT, validation=(SERIES, NEXT), epochs=2, progress=False)
    scores, predicted = model.evaluate(SERIES, NEXT), model.predict(SERIES)
    np.testing.assert_allclose(scores["mae_by_position"], np.abs(predicted - NEXT).mean(axis=(0, 2)), rtol=1e-5)
    r2 = [sklearn.metrics.r2_score(NEXT[:, t], predicted[:, t]) for t in range(3)]
    np.testing.assert_allclose(scores["r2_by_position"], r2, rtol=1e-4)
    assert history["validation_mae_by_position_2"][-1] == pytest.approx(scores["mae_by_position"][2])
    assert "train_r2_by_position_0" in history.to_csv().splitlines()[0]
    assert "Validation loss from" in plots.alt(plots.learning_curves(history)), "only the loss is drawn"
    stop = EarlyStopping(patience=1, monitor="validation_mae_by_position_0")
    model.fit(SERIES, NEXT, validation=(SERIES, NEXT), epochs=2, policies=[stop], progress=False)
    assert model.history.best_epoch is not None
    with pytest.raises(ConfigError, match="a threshold is the probability"):
        segmentation(metrics=[PerPosition(Accuracy(threshold=0.3))])
    with pytest.raises(ConfigError, match="ends in one vector for each sample"):
        Sequential(Dense(1)).compile((2,), MeanSquaredError(), metrics=[PerPosition(R2())])


def test_a_metric_of_labels_at_each_position():
    network = Sequential(Dense(2), Sigmoid())
    model = network.compile((5, 2), BinaryCrossEntropy(), metrics=[PerPosition(Recall()), Recall()])
    y = RANDOM.integers(0, 2, (N, 5, 2)).astype(np.float32)
    scores, answers = model.evaluate(SERIES, y), model.predict(SERIES) >= 0.5
    wanted = (answers * y).sum(axis=0) / y.sum(axis=0)
    np.testing.assert_allclose(scores["recall_by_position"], wanted)
    np.testing.assert_allclose(scores["recall"], (answers * y).sum(axis=(0, 1)) / y.sum(axis=(0, 1)))


# -- models -----------------------------------------------------------------------------------------------------------


@EACH
def test_an_ensemble_has_the_mean_at_each_position(task):
    make, x, y = TASKS[task]
    models = [make(seed=seed) for seed in (0, 1)]
    ensemble = Ensemble(models)
    mean = (models[0].predict(x) + models[1].predict(x)) / 2
    np.testing.assert_allclose(ensemble.predict(x), mean, atol=1e-6)
    same = Ensemble([models[0], models[0]])
    assert same.evaluate(x, y)["loss"] == pytest.approx(models[0].evaluate(x, y)["loss"], rel=1e-5)


def test_an_ensemble_leaves_out_the_steps_that_are_skipped():
    models = [tagging(metrics=[Accuracy(), PerPosition(Accuracy())], seed=seed) for seed in (0, 1)]
    scores = Ensemble(models).evaluate(SERIES, TAGS)
    steps = SERIES.any(axis=2)
    right = Ensemble(models).predict(SERIES).argmax(axis=-1) == TAGS
    assert scores["accuracy"] == pytest.approx(right[steps].mean())
    np.testing.assert_allclose(scores["accuracy_by_position"], (right * steps).sum(axis=0) / steps.sum(axis=0))


def test_copies_of_an_image_would_move_its_map():
    with pytest.raises(ConfigError, match=r"at each of \(6, 6\) positions, which the changes of an image would move"):
        Ensemble([segmentation()], augmentation=Augmentation(shift=1), copies=2)


@EACH
def test_layers_are_captured_and_models_are_described(task):
    make, x, y = TASKS[task]
    model = make()
    captured = activations(model, x[:3])
    np.testing.assert_array_equal(list(captured.values())[-1], model.predict(x[:3]))
    assert " × ".join(map(str, model.output_shape[:1])) in model.summary()
    assert model._repr_html_()
    assert model.evaluate(x, y)._repr_html_()
    assert Dataset(x, y)._repr_html_()


def test_frozen_layers_and_transfer_to_another_kind_of_map():
    source = segmentation()
    source.fit(PICTURES, MAPS, epochs=1, progress=False)
    target = Sequential(Frozen(*BODY), Dense(1), Sigmoid()).compile((6, 6, 1), BinaryCrossEntropy(), Adam(0.1), seed=1)
    assert transfer(source, target, into="frozen1") == ("frozen1.conv2d1.W", "frozen1.conv2d1.b")
    before = target.weights["frozen1.conv2d1.W"].copy()
    target.fit(PICTURES, MAPS == 1, epochs=2, progress=False)
    np.testing.assert_array_equal(target.weights["frozen1.conv2d1.W"], before)
    np.testing.assert_array_equal(source.weights["conv2d1.W"], before)
    assert target.predict(PICTURES).shape == (N, 6, 6, 1)


@EACH
@pytest.mark.parametrize("how", ["lbfgs", "perturbation", "early stopping", "learning rate"])
def test_every_way_of_training(task, how):
    make, x, y = TASKS[task]
    model = make(optimizer=LBFGS() if how == "lbfgs" else Adam(0.01))
    before = model.evaluate(x, y)["loss"]
    if how == "learning rate":
        assert model.find_learning_rate(x, y, steps=12).suggestion > 0
        return
    options = {"method": Perturbation(trials=8)} if how == "perturbation" else {"policies": [EarlyStopping(1)]}
    model.fit(x, y, validation=(x, y), epochs=3, progress=False, **({} if how == "lbfgs" else options))
    assert model.evaluate(x, y)["loss"] < before


# -- data -------------------------------------------------------------------------------------------------------------


@EACH
def test_sets_are_split_with_their_maps(task):
    _, x, y = TASKS[task]
    weights = RANDOM.random(y.shape[:2])
    data = Dataset(x, y, sample_weight=weights, classes=("a", "b", "c") if task == "segmentation" else None)
    rest, part = data.split(0.25)
    rows = [int(np.flatnonzero((x == sample).all(axis=tuple(range(1, x.ndim))))[0]) for sample in part.x]
    np.testing.assert_array_equal(part.y, y[rows])
    np.testing.assert_array_equal(part.sample_weight, weights[rows])
    assert (len(rest), len(part), len(data.limit(5))) == (15, 5, 5)
    changed = y.copy()
    changed[0, 1] = 1 - changed[0, 1]
    assert digest(data) != digest(Dataset(x, changed))


def test_tags_may_have_class_names():
    data = Dataset(SERIES, TAGS, classes=("down", "up", "same"))
    assert data.split(0.5)[0].classes == ("down", "up", "same")
    with pytest.raises(ShapeError, match="y has 4 columns for 3 classes"):
        Dataset(SERIES, np.eye(4)[np.zeros(N, int)], classes=("down", "up", "same"))


# -- errors -----------------------------------------------------------------------------------------------------------


def test_divergence_names_the_sample_and_the_position():
    y = NEXT.copy()
    y[7, 2, 1] = 1e30
    with pytest.raises(DivergedError, match=r"out of bounds \(up to .*, in sample 7 of the batch at position 2\)"):
        forecast(optimizer=SGD(0.1)).fit(SERIES, y, batch_size=N, shuffle=False, progress=False)
    x = PICTURES.copy()
    x[3, 2, 5] = 3e38
    model, place = segmentation(), r"in sample 3 of the batch at position \d, \d, is the first"
    model.weights["conv2d1.W"][...] = 2
    with pytest.raises(DivergedError, match=f"the output of conv2d1, {place} that is not finite"):
        model.fit(x, MAPS, batch_size=N, shuffle=False, progress=False)
    with pytest.raises(DivergedError) as caught:
        Sequential(Dense(1)).compile((2,), MeanSquaredError()).fit(np.ones((N, 2)), np.full(N, 1e30), progress=False)
    assert "in sample" not in str(caught.value)


def test_mistakes_are_for_samples_with_one_class():
    with pytest.raises(ConfigError, match=r"predicts one at each of \(6, 6\) positions: use plots.maps"):
        plots.mistakes(segmentation(), Dataset(PICTURES, MAPS))


def test_targets_that_float32_cannot_tell_apart_are_reported_unless_they_are_masked():
    y, weights = 1.7e9 + NEXT.astype(np.float64), np.ones((N, 3))
    with pytest.warns(DataWarning, match="in float32, 20 different values of the targets become 1: subtract their mean"):
        forecast(optimizer=SGD(1e-12)).fit(SERIES, y, progress=False)
    y[:, [0, 2]] = NEXT[:, [0, 2]]
    y[0, 1] = np.inf
    weights[:, 1] = 0
    with warnings.catch_warnings(action="error"):
        forecast(optimizer=SGD(1e-12)).fit(SERIES, y, sample_weight=weights, progress=False)


@pytest.mark.parametrize(("estimator", "head"), [(NetworkClassifier, Softmax()), (NetworkRegressor, Identity())])
def test_scikit_learn_estimators_need_a_vector(estimator, head):
    network = Sequential(Reshape((3, 2)), Dense(3), head)
    y = np.arange(9) % 3 if estimator is NetworkClassifier else np.ones((9, 3))
    with pytest.raises(ConfigError, match=r"needs a network that ends in 3 outputs and .* ends in \(3, 3\) and"):
        estimator(network, epochs=1).fit(RANDOM.normal(size=(9, 6)), y)
