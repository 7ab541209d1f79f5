"""Explanations of tables: importance, partial dependence, prediction intervals, thresholds and largest errors, on made data."""

from __future__ import annotations

import functools
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn import inspection
from sklearn.linear_model import LinearRegression, LogisticRegression

from pellucid import (
    R2,
    Accuracy,
    Adam,
    BinaryCrossEntropy,
    ConfigError,
    ConfusionMatrix,
    CrossEntropy,
    DataError,
    DataWarning,
    Dense,
    Ensemble,
    Hinge,
    Identity,
    LogLoss,
    MeanSquaredError,
    Model,
    ReLU,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
)
from pellucid.data import Dataset, from_arrays, read_csv
from pellucid.data.dataset import Origin
from pellucid.data.tables.columns import Column
from pellucid.explain import (
    DecisionThreshold,
    decision_threshold,
    largest_errors,
    partial_dependence,
    permutation_importance,
    prediction_intervals,
)
from pellucid.explain.intervals import calibrate
from pellucid.explain.tables import MISSING, RARE, UNKNOWN, RowColumn, columns_of, rows_of
from pellucid.metrics import threshold_curve
from pellucid.sklearn import NetworkClassifier, NetworkRegressor

COLUMNS = (Column("a"), Column("city", ("Graz", "Linz", "Wien")), Column("b"), Column("noise"))
PRICES = np.array([0.0, 1.0, 3.0])  # of the cities


def table(n, seed, *, classes=False):
    """Rows (a, city in three values, b, noise): y = 2a + the price of the city + 0.5b + noise, or whether it is above 1.5."""
    random = np.random.default_rng(seed)
    a, b, noise = random.normal(0, 1, (3, n))
    city = random.integers(3, size=n)
    x = np.column_stack([a, np.eye(3)[city], b, noise])
    y = 2 * a + PRICES[city] + 0.5 * b + random.normal(0, 0.1, n)
    if classes:
        y = (y + random.normal(0, 1, n) > 1.5).astype(int)
    return Dataset(x, y, classes=("no", "yes") if classes else None, origin=Origin(columns=COLUMNS))


@functools.cache
def regression():
    network = Sequential(Dense(32), ReLU(), Dense(1))
    train = table(2000, 0)
    model = network.compile(train.shape, MeanSquaredError(), Adam(0.01), metrics=[R2()])
    model.fit(train, epochs=15)
    return model


@functools.cache
def classification(head="softmax"):
    network = Sequential(Dense(16), ReLU(), *([Dense(2), Softmax()] if head == "softmax" else [Dense(1), Sigmoid()]))
    train = table(2000, 0, classes=True)
    loss = CrossEntropy() if head == "softmax" else BinaryCrossEntropy()
    model = network.compile(train.shape, loss, Adam(0.01), metrics=[Accuracy()], classes=train.classes)
    model.fit(train, epochs=8)
    return model


def linear(*weights, bias=0.0):
    """A model that computes a weighted sum of numbers, from arrays without names."""
    model = Sequential(Dense(1), Identity()).compile((len(weights),), MeanSquaredError())
    model.weights["dense1.W"][...], model.weights["dense1.b"][...] = np.array(weights)[:, None], bias
    return model


# -- importance --------------------------------------------------------------------------------------------------------


def test_importance_finds_the_informative_columns():
    test = table(1000, 1)
    found = permutation_importance(regression(), test)
    assert found.columns == ("a", "city", "b", "noise")
    assert [found.columns[i] for i in found.order] == ["a", "city", "b", "noise"]
    assert found.clear.tolist() == [True, True, True, False]
    assert abs(found.mean[3]) <= 2 * found.spread[3], "noise is 0 within its spread"
    assert found.values.shape == (4, 10)
    assert found.score == pytest.approx(float(regression().evaluate(test, metrics=[R2()])["r2"]))
    # Shuffling a column of a sum adds twice the variance of its part: 2·4, 2·14/9 and 2·0.25, of the target's variance.
    variance = float(np.var(test.y))
    np.testing.assert_allclose(found.mean[:3], np.array([8, 28 / 9, 0.5]) / variance, rtol=0.12)


def test_a_category_is_shuffled_as_a_whole():
    """Of a model that sees whether the one-hot values add up to 1, the importance of the column is 0."""
    model = linear(0, 1, 1, 1, 0, 0)
    data = table(300, 3)
    model.fit(data.take(np.arange(2)), epochs=1)  # a stage with columns
    model.weights["dense1.W"][...], model.weights["dense1.b"][...] = np.array([[0, 5, 5, 5, 0, 0]]).T, 0
    np.testing.assert_array_equal(permutation_importance(model, data, repeats=3).values, 0)


def test_a_model_that_ignores_its_input_has_no_importance():
    data = table(200, 2)
    network = Sequential(Dense(1))
    model = network.compile(data.shape, MeanSquaredError())
    model.fit(data, epochs=1)
    model.weights["dense1.W"][...] = 0
    found = permutation_importance(model, data, repeats=3)
    assert not found.values.any()
    assert not found.clear.any()
    assert "noise" in found._repr_html_()


def test_importance_of_errors_is_positive_where_they_rise():
    test = table(500, 1, classes=True)
    by_loss = permutation_importance(classification(), test, metric=LogLoss())
    by_accuracy = permutation_importance(classification(), test)
    assert (by_loss.metric, by_accuracy.metric) == ("log_loss", "accuracy")
    assert by_loss.mean[0] > 0.3
    assert by_accuracy.mean[0] > 0.1
    again = permutation_importance(classification(), test, metric=LogLoss())
    np.testing.assert_array_equal(again.values, by_loss.values)
    other = permutation_importance(classification(), test, metric=LogLoss(), seed=1)
    assert (other.values != by_loss.values).all()


def test_importance_leaves_the_rows_as_they_are():
    test = table(100, 1)
    before = test.x.copy()
    permutation_importance(regression(), test, repeats=2)
    np.testing.assert_array_equal(test.x, before)


def test_importance_of_an_estimator_is_that_of_scikit_learn():
    x = np.random.default_rng(0).normal(0, 1, (200, 3))
    y = x @ [3.0, 1.0, 0.0]
    estimator = LinearRegression().fit(x, y)
    found = permutation_importance(estimator, x, y, repeats=4, seed=5)
    expected = inspection.permutation_importance(estimator, x, y, n_repeats=4, random_state=5)
    np.testing.assert_array_equal(found.values, expected.importances)
    assert (found.columns, found.metric, found.score) == (("0", "1", "2"), "r2", pytest.approx(1.0))
    by_error = permutation_importance(estimator, x, y, metric="neg_mean_absolute_error")
    assert by_error.metric == "neg_mean_absolute_error"
    assert by_error.order.tolist() == [0, 1, 2]


def test_importance_of_an_ensemble_and_of_a_frame():
    pandas = pytest.importorskip("pandas")
    test = table(300, 1)
    ensemble = Ensemble([regression(), regression()])
    one = permutation_importance(regression(), test, repeats=2)
    np.testing.assert_allclose(permutation_importance(ensemble, test, repeats=2).values, one.values, atol=1e-5)
    frame = pandas.DataFrame(
        {
            "noise": test.x[:, 5],
            "a": test.x[:, 0],
            "b": test.x[:, 4],
            "city": np.array(COLUMNS[1].categories)[test.x[:, 1:4].argmax(axis=1)],
            "target": test.y,
        }
    )
    np.testing.assert_allclose(permutation_importance(regression(), frame, repeats=2).values, one.values)
    np.testing.assert_allclose(
        partial_dependence(regression(), frame, "city").average, partial_dependence(regression(), test, "city").average
    )


# -- partial dependence ------------------------------------------------------------------------------------------------


def test_partial_dependence_of_a_sum_is_a_line():
    x = np.random.default_rng(0).normal(0, 1, (100, 3)).astype(np.float32)
    found = partial_dependence(linear(2, -1, 0, bias=4), x, 1, points=7)
    low, high = np.quantile(x[:, 1], [0.05, 0.95])
    np.testing.assert_allclose(found.values, np.linspace(low, high, 7), rtol=1e-6)
    np.testing.assert_allclose(found.curves[:, :, 0], 2 * x[:, :1] - found.values + 4, atol=1e-5)
    np.testing.assert_allclose(found.average[:, 0], found.curves[:, :, 0].mean(axis=0))
    assert (found.column, found.outputs, found.is_numeric) == ("1", ("prediction",), True)
    assert found.range == pytest.approx(high - low, rel=1e-4)
    np.testing.assert_array_equal(found.observed, x[:, 1])


def test_partial_dependence_on_a_category_sets_all_of_its_values():
    test = table(300, 1)
    found = partial_dependence(regression(), test, "city")
    prices = dict(zip(found.values, found.average[:, 0], strict=True))
    assert prices["Linz"] - prices["Graz"] == pytest.approx(1, abs=0.15)
    assert prices["Wien"] - prices["Graz"] == pytest.approx(3, abs=0.15)
    counts = [found.observed.count(name) for name in found.values]
    assert counts == sorted(counts, reverse=True), "the most frequent first"
    assert not found.is_numeric


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_partial_dependence_of_two_classes_is_the_probability_of_the_second(head):
    test = table(200, 1, classes=True)
    found = partial_dependence(classification(head), test, "a", points=5)
    assert found.outputs == ("yes",)
    assert found.curves.shape == (200, 5, 1)
    assert np.all(np.diff(found.average[:, 0]) > 0)
    assert found.average.min() > 0
    assert found.average.max() < 1


def test_a_column_with_few_numbers_is_set_to_these():
    x = np.random.default_rng(0).integers(0, 3, (50, 2)).astype(np.float32)
    np.testing.assert_array_equal(partial_dependence(linear(1, 1), x, 0).values, [0, 1, 2])


@pytest.mark.parametrize("column", ["0", 0])
def test_partial_dependence_is_that_of_scikit_learn(column):
    """For the same network, as a model and through scikit-learn's own function."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (150, 3)).round(0)  # few numbers: each is a value of the curves, with no percentiles in between
    estimator = NetworkRegressor((8,), epochs=5, random_state=0).fit(x, x[:, 0] * x[:, 1])
    theirs = partial_dependence(estimator, x, column, points=9)
    ours = partial_dependence(estimator.model_, x, 0, points=9)
    np.testing.assert_allclose(theirs.values, ours.values)
    scaled = estimator.target_mean_[0] + estimator.target_scale_[0] * ours.curves
    np.testing.assert_allclose(theirs.curves, scaled, atol=1e-5)
    assert theirs.outputs == ("prediction",)


def test_partial_dependence_of_a_classifier_of_scikit_learn():
    x = np.random.default_rng(0).normal(0, 1, (150, 2))
    two = LogisticRegression().fit(x, np.where(x[:, 0] > 0, "up", "down"))
    assert partial_dependence(two, x, 0, points=4).outputs == ("up",)
    three = LogisticRegression().fit(x, np.digitize(x[:, 0], [-0.5, 0.5]))
    found = partial_dependence(three, x, 0, points=4)
    assert found.outputs == ("0", "1", "2")
    assert found.curves.shape == (150, 4, 3)


def frame_as_it_comes(n):
    """A frame of floats, nullable and plain integers, text, categories, truth values and dates, most of them with gaps."""
    pandas = pytest.importorskip("pandas")
    random = np.random.default_rng(0)
    gaps = random.random(n) < 0.1
    city = np.where(gaps, None, random.choice(["Graz", "Linz", "Wien"], n).astype(object))
    rooms = pandas.array(random.integers(1, 5, n), dtype="Int64")
    rooms[gaps] = pandas.NA
    sold = pandas.Series(pandas.to_datetime("2020-01-01") + pandas.to_timedelta(random.integers(0, 900, n), unit="D"))
    return pandas.DataFrame(
        {
            "area": np.where(gaps[::-1], np.nan, random.uniform(30, 120, n)),
            "city": city,
            "kind": pandas.Categorical(city),
            "rooms": rooms,
            "floor": random.integers(0, 3, n),
            "lift": random.random(n) < 0.5,
            "sold": sold.where(~gaps),
        }
    )


class Reading:
    """An estimator that predicts a number for each cell of a column, NaN for a missing one."""

    def __init__(self, column):
        self.column = column

    def predict(self, x):
        pandas = pytest.importorskip("pandas")
        cells = x[self.column]
        if self.column == "sold":
            return np.where(cells.isna(), np.nan, (cells - pandas.Timestamp(0)) / pandas.Timedelta(days=1))
        numbers = {"Graz": 1.0, "Linz": 2.0, "Wien": 3.0}
        return np.array(
            [np.nan if cell is None or cell is pandas.NA or cell != cell else numbers.get(cell, cell) for cell in cells], float
        )


@pytest.mark.parametrize("column", ["area", "city", "kind", "rooms", "floor", "lift", "sold"])
def test_partial_dependence_of_an_estimator_of_frames_as_they_come(column):
    """Of an estimator that predicts the column itself, each curve is what the column is set to."""
    frame = frame_as_it_comes(150)
    before = frame.copy()
    found = partial_dependence(Reading(column), frame, column, points=8)
    if column in ("city", "kind"):
        assert sorted(found.values) == [MISSING, "Graz", "Linz", "Wien"]
        expected = [{"Graz": 1, "Linz": 2, "Wien": 3}.get(name, np.nan) for name in found.values]
        assert found.observed == tuple(frame["city"].astype(object).where(frame["city"].notna(), MISSING))
    elif column == "lift":
        expected = [name == "True" for name in found.values]
        assert sorted(found.values) == ["False", "True"]
    else:
        expected = found.values
        assert found.is_numeric
        np.testing.assert_allclose(found.observed, Reading(column).predict(frame))
    assert found.days == (column == "sold")
    if column in ("rooms", "floor"):
        assert found.values.tolist() == ([1, 2, 3, 4] if column == "rooms" else [0, 1, 2])
    np.testing.assert_allclose(found.curves[:, :, 0], np.tile(np.array(expected, float), (150, 1)), atol=2e-5)
    if found.is_numeric and np.isnan(found.observed).any():
        assert np.isnan(found.missing).all()
    else:
        assert found.missing is None
    assert before.equals(frame)


def test_partial_dependence_of_a_frame_is_that_of_its_numbers():
    pandas = pytest.importorskip("pandas")
    x = np.random.default_rng(0).normal(0, 1, (80, 2)).round(1)
    two = LogisticRegression().fit(x, x[:, 0] > 0)
    of_array = partial_dependence(two, x, 1, points=100)
    of_frame = partial_dependence(two, pandas.DataFrame(x), "1", points=100)
    np.testing.assert_allclose(of_frame.values, of_array.values)
    np.testing.assert_allclose(of_frame.curves, of_array.curves)
    assert of_frame.outputs == of_array.outputs == ("True",)
    integers = np.array([[1, 20], [3, 40], [2, 60]] * 20)
    line = partial_dependence(
        LinearRegression().fit(integers, integers[:, 1] / 4), integers, 1, points=2, percentiles=(0.33, 0.9)
    )
    assert line.values[0] == pytest.approx(29.4)
    np.testing.assert_allclose(line.average[:, 0], line.values / 4)
    with_gaps = np.where(integers == 40, np.nan, integers)
    assert partial_dependence(
        NetworkRegressor((4,), epochs=2).fit(with_gaps, integers[:, 0]), with_gaps, 1
    ).values.tolist() == [20, 60]
    with pytest.raises(ConfigError, match="there is no column 'areas': did you mean 'area'"):
        partial_dependence(Reading("area"), frame_as_it_comes(9), "areas")


# -- columns of rows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "cell"),
    [
        ([0, 0, 1], "Wien"),
        ([0, 0, 0], UNKNOWN),
        ([np.nan, np.nan, np.nan], MISSING),
    ],
)
def test_the_cell_of_a_category(row, cell):
    assert RowColumn("city", slice(0, 3), ("Graz", "Linz", "Wien")).cell(np.array(row, float)) == cell


@pytest.mark.parametrize(("code", "cell"), [(1, "Graz"), (3, "Wien"), (0, RARE), (np.nan, MISSING)])
def test_the_cell_of_a_coded_category(code, cell):
    assert RowColumn("city", slice(1, 2), ("Graz", "Linz", "Wien"), coded=True).cell(np.array([9.0, code])) == cell


def test_missing_values_are_values_of_their_own():
    column = RowColumn("city", slice(0, 2), ("Graz", "Linz"))
    names, rows = column.grid(np.array([[1, 0], [np.nan, np.nan], [1, 0], [0, 1], [0, 1], [0, 1]]), 5, (0.05, 0.95))
    assert names == ("Linz", "Graz", MISSING)
    np.testing.assert_array_equal(rows, [[0, 1], [1, 0], [np.nan, np.nan]])
    number = RowColumn("a", slice(0, 1))
    values, rows = number.grid(np.array([[3.0], [np.nan], [1.0]]), 5, (0.05, 0.95))
    assert values.tolist() == [1, 3]
    assert np.isnan(number.cell(np.array([np.nan])))


# -- tables as they come -----------------------------------------------------------------------------------------------

STREETS = tuple(f"street {letter}" for letter in "abcdefghijkl")


@functools.cache
def as_it_comes():
    """A table whose columns all have missing values: numbers, a coded and a one-hot category, and dates."""
    random = np.random.default_rng(0)
    lines = ["area,street,city,sold,price"]
    for i in range(240):
        cells = [
            f"{i % 7 + 1}",
            STREETS[i % 12],
            ("Graz", "Linz", "Wien")[i % 3],
            f"{2015 + i % 4}-{i % 5 + 1:02}-{i % 9 + 1:02}",
        ]
        lines.append(",".join([*("" if random.random() < 0.15 else cell for cell in cells), f"{i}.5"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flats.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        return read_csv(path, "price")


def sum_of(**weights):
    """A model that adds up some values of this table, each by its name and weight, and the table with its predictions."""
    data = as_it_comes()
    stage = data.input_stage()
    model = Sequential(Dense(1)).compile(data.shape, MeanSquaredError(), input_stage=stage)
    model.weights["dense1.W"][...], model.weights["dense1.b"][...] = 0, 0
    for name, weight in weights.items():
        model.weights["dense1.W"][stage.names.index(name)] = weight
    return model, Dataset(data.x, model.predict(data)[:, 0], origin=data.origin)


def importances(**weights):
    """The importance of each column of such a model that is not exactly 0."""
    found = permutation_importance(*sum_of(**weights), repeats=3)
    return {name: mean for name, mean in zip(found.columns, found.mean, strict=True) if mean}


def test_every_value_of_a_table_belongs_to_a_column():
    model, data = sum_of()
    columns, kinds = columns_of(model, "test"), data.input_stage().value_kinds
    dates = ["sold (days)", "sold (month)", "sold (day)", "sold (weekday)"]
    assert [column.name for column in columns] == ["area", "street", "city", *dates]
    of_columns = [[kinds[i] for i in range(data.x.shape[1])[column.places]] for column in columns]
    assert of_columns == [["number", "binary"], [14], ["binary"] * 4, *[["number", "binary"]] * 4]
    places = [range(data.x.shape[1])[column.places] for column in columns]
    assert len({places_of[-1] for places_of in places[3:]}) == 1, (
        "one value says that the date is missing, for all of its parts"
    )
    assert {i for places_of in places for i in places_of} == set(range(data.x.shape[1]))


def test_a_missing_value_is_shuffled_with_its_column():
    assert set(importances(**{"area is missing": 1.0})) == {"area"}
    assert set(importances(**{"city is missing": 1.0})) == {"city"}
    assert set(importances(**{"city=Graz": 1.0})) == {"city"}
    assert set(importances(street=1.0)) == {"street"}
    assert set(importances(**{"sold (month)": 1.0})) == {"sold (month)"}
    dates = ["sold (days)", "sold (month)", "sold (day)", "sold (weekday)"]
    assert sorted(importances(**{"sold is missing": 1.0})) == sorted(dates)


def test_curves_of_a_column_with_missing_values():
    """A set value is not missing any more, in no row; of a category, a missing value is one of those that are set."""
    model, data = sum_of(**{"area is missing": 5.0, "city is missing": 7.0, "sold is missing": 9.0, "street": 1.0})
    area = partial_dependence(model, data, "area")
    np.testing.assert_array_equal(area.values, np.arange(1, 8))
    assert np.isnan(area.observed).any()
    gaps = np.isnan(data.x[:, 0])
    np.testing.assert_allclose(area.curves[:, :, 0], (data.y - 5.0 * gaps)[:, None] + np.zeros(7), atol=1e-5)
    np.testing.assert_allclose(area.missing[:, 0], data.y - 5.0 * gaps + 5.0, atol=1e-5)
    assert area.average_missing == pytest.approx(area.missing.mean())
    assert partial_dependence(model, data.take(np.flatnonzero(~gaps)), "area").missing is None

    city = partial_dependence(model, data, "city")
    cities = dict(zip(city.values, city.average[:, 0], strict=True))
    assert sorted(cities) == [MISSING, "Graz", "Linz", "Wien"]
    assert city.missing is None
    assert cities[MISSING] - cities["Graz"] == pytest.approx(7, abs=1e-4)
    assert cities["Wien"] - cities["Graz"] == pytest.approx(0, abs=1e-4)

    street = partial_dependence(model, data, "street")
    streets = dict(zip(street.values, street.average[:, 0], strict=True))
    codes = [streets[name] - streets["street a"] for name in (*STREETS, MISSING)]
    np.testing.assert_allclose(codes, np.arange(13), atol=1e-4)

    for part in ("sold (days)", "sold (month)", "sold (weekday)"):
        curves = partial_dependence(model, data, part).curves[:, :, 0]
        assert partial_dependence(model, data, part).days == (part == "sold (days)")
        missing = np.isnan(data.x[:, data.input_stage().names.index(part)])
        assert missing.any()
        np.testing.assert_allclose(curves, (data.y - 9.0 * missing)[:, None] + np.zeros(curves.shape[1]), atol=1e-5)
        without = partial_dependence(model, data, part).missing
        np.testing.assert_allclose(without[:, 0], data.y - 9.0 * missing + 9.0, atol=1e-5)


def test_a_model_that_takes_no_missing_values_has_curves_without_them():
    x = np.array([[1, 2], [3, np.nan], [5, 6.0]])
    found = partial_dependence(linear(2, -1), x, 1)
    np.testing.assert_allclose(found.curves[:, :, 0], 2 * x[:, :1] - found.values, atol=1e-6)
    assert found.missing is None
    known = np.array([[1, 2], [3, 9], [5, 6.0], [0, 1]])
    theirs = partial_dependence(LinearRegression().fit(known, known @ [2, -1]), x, 1)
    np.testing.assert_allclose(theirs.curves, found.curves, atol=1e-6)
    assert theirs.missing is None


def test_a_missing_date_has_no_parts():
    model, data = sum_of(**{"sold (month)": 1.0, "sold is missing": 9.0})
    assert np.ptp(partial_dependence(model, data, "sold (days)").missing) == 0, "no month of a date that is there is left"


def test_the_cells_of_a_table_as_it_comes():
    model, _ = sum_of()
    columns = {column.name: column for column in columns_of(model, "test")}
    lines = [["", "", "", ""], ["3", "street c", "Linz", "2016-02-09"], ["3", "street zz", "Bonn", "2016-02-09"]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of the unknown categories
        missing, known, unknown = rows_of(model, np.array(lines, object))
    assert np.isnan([columns[name].cell(missing) for name in ("area", "sold (days)", "sold (month)")]).all()
    assert [columns[name].cell(missing) for name in ("street", "city")] == [MISSING, MISSING]
    assert [columns[name].cell(known) for name in ("area", "street", "city", "sold (month)")] == [3, "street c", "Linz", 2]
    assert [columns[name].written(known) for name in ("area", "sold (days)", "sold (day)")] == [3, "2016-02-09", 9]
    assert np.isnan(columns["sold (days)"].written(missing))
    assert [columns[name].cell(unknown) for name in ("street", "city")] == [RARE, UNKNOWN]


def test_a_date_is_asked_for_by_its_parts():
    model, data = sum_of()
    with pytest.raises(ConfigError, match=r"there is no column 'sold': did you mean 'sold \("):
        partial_dependence(model, data, "sold")


# -- prediction intervals ----------------------------------------------------------------------------------------------


def unequal(n, seed):
    """Numbers whose noise grows with x: predictions 10x, truths 10x + noise with the deviation 0.1 + 2x."""
    random = np.random.default_rng(seed)
    x = random.uniform(0, 1, n)
    return 10 * x, 10 * x + random.normal(0, 1, n) * (0.1 + 2 * x)


@pytest.mark.parametrize("bins", [1, 4])
def test_intervals_contain_the_truth_as_often_as_they_say(bins):
    """Over 200 pairs of samples: the mean is right to its own error, and single coverages spread as they should."""
    measured = []
    for seed in range(200):
        intervals = calibrate(*unequal(400, 2 * seed), level=0.9, bins=bins)
        measured.append(intervals.coverage(*unequal(300, 2 * seed + 1)))
    fractions = np.array([one.fraction for one in measured])
    expected, deviation = measured[0].expected, measured[0].deviation
    assert 0.9 <= expected <= 0.91
    assert fractions.mean() == pytest.approx(expected, abs=4 * deviation / np.sqrt(200))
    assert fractions.std() == pytest.approx(deviation, rel=0.2)
    assert deviation == pytest.approx(0.0229 if bins == 1 else 0.0228, abs=5e-4)


def test_bins_follow_the_noise():
    """With one width, calm samples are covered too often and noisy ones too seldom; with bins both have 90 %."""
    calibration, test = unequal(4000, 0), unequal(4000, 1)
    calm = test[0] < 2.5
    whole, binned = calibrate(*calibration), calibrate(*calibration, bins=4)
    assert np.all(np.diff(binned.half_widths) > 0)
    for intervals, low, high in ((whole, 0.99, 0.80), (binned, 0.90, 0.90)):
        of_calm = intervals.coverage(test[0][calm], test[1][calm]).fraction
        of_noisy = intervals.coverage(test[0][test[0] > 7.5], test[1][test[0] > 7.5]).fraction
        assert of_calm == pytest.approx(low, abs=0.025)
        assert of_noisy == pytest.approx(high, abs=0.05)


def test_the_half_width_is_the_rank_of_the_theorem():
    errors = np.arange(1.0, 20.0)  # 19: the rank is ⌈20 · 0.9⌉ = 18
    intervals = calibrate(np.zeros(19), errors, level=0.9)
    assert intervals.half_widths.tolist() == [18]
    np.testing.assert_array_equal(intervals.around(np.array([[1.0], [2.0]])), [[-17, 19], [-16, 20]])
    assert calibrate(np.zeros(9), np.arange(9.0)).half_widths.tolist() == [8]
    with pytest.raises(DataError, match=r"90 % need at least 9 calibration samples, and there are 8"):
        calibrate(np.zeros(8), np.arange(8.0))
    with pytest.raises(DataError, match="a bin has 8 of them: give more, or take fewer bins"):
        calibrate(np.arange(16.0), np.arange(16.0), bins=2)


def test_intervals_of_models_and_estimators():
    validation, test = table(500, 4), table(500, 5)
    intervals = prediction_intervals(regression(), validation, level=0.8)
    found = intervals.coverage(regression().predict(test), test.y)
    assert found.fraction == pytest.approx(found.expected, abs=4 * found.deviation)
    low, high = found.interval
    assert low < found.fraction < high
    estimator = LinearRegression().fit(validation.x, validation.y)
    other = prediction_intervals(estimator, test.x, test.y, level=0.8)
    assert other.half_widths[0] == pytest.approx(0.128, abs=0.02), "1.28 deviations of the noise of 0.1"
    with pytest.raises(ConfigError, match="predict numbers, but this one predicts classes"):
        prediction_intervals(classification(), table(50, 1, classes=True))
    with pytest.raises(ShapeError, match="one number for each sample"):
        intervals.around(np.zeros((3, 2)))


# -- thresholds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
@pytest.mark.parametrize("label", [None, "no"])
@pytest.mark.parametrize("wished", [{"precision": 0.9}, {"precision": 0.97}, {"recall": 0.9}, {"recall": 1.0}])
def test_a_threshold_has_the_wished_precision_or_recall(head, label, wished):
    validation = table(800, 6, classes=True)
    model = classification(head)
    rule = decision_threshold(model, validation, label=label, **wished)
    outputs = model.predict(validation)
    p = np.concatenate([1 - outputs, outputs], axis=1) if head == "sigmoid" else outputs
    index = model.classes.index(rule.label)
    assert rule.label == (label or "yes")
    decided, member = rule.decide(p, model.classes) == index, validation.y == index
    precision, recall = (decided & member).sum() / decided.sum(), (decided & member).sum() / member.sum()
    (kind, value), *_ = wished.items()
    assert {"precision": precision, "recall": recall}[kind] >= value
    assert (rule.measured.precision, rule.measured.recall) == pytest.approx((precision, recall))
    # No other threshold is better: lower ones miss the precision, higher ones the recall.
    curve = threshold_curve(p[:, index], member)
    reached = (curve.precision if kind == "precision" else curve.recall) >= value
    best = curve.recall[reached].max() if kind == "precision" else curve.precision[reached & (curve.recall == recall)].max()
    assert (recall if kind == "precision" else precision) == pytest.approx(best)


def test_the_rule_of_a_threshold():
    rule = DecisionThreshold("b", 0.3)
    p = np.array([[0.6, 0.3, 0.1], [0.5, 0.29, 0.21], [0.1, 0.2, 0.7], [0.2, 0.8, 0.0]])
    assert rule.decide(p, ("a", "b", "c")).tolist() == [1, 0, 2, 1]
    assert DecisionThreshold("b", 0.9).decide(p, ("a", "b", "c")).tolist() == [0, 0, 2, 0]
    assert str(rule) == "b where its probability is at least 0.3, otherwise the most probable other class"
    with pytest.raises(ConfigError, match="'b' does not apply to the classes x, y"):
        rule.decide(p[:, :2], ("x", "y"))
    with pytest.raises(ShapeError, match=r"probabilities of 2 classes, \(n, 2\)"):
        rule.decide(p, ("a", "b"))


def test_a_threshold_is_not_rounded_to_the_precision_of_the_probabilities():
    p = np.array([[0.7, 0.3]], np.float32)
    between = float(p[0, 1]) + 1e-9  # the same number in float32
    assert DecisionThreshold("b", between).decide(p, ("a", "b")).tolist() == [0]
    assert DecisionThreshold("b", float(p[0, 1])).decide(p, ("a", "b")).tolist() == [1]


def test_thresholds_of_an_estimator():
    train, validation = table(1000, 0, classes=True), table(500, 6, classes=True)
    words = np.array(["no", "yes"])
    estimator = LogisticRegression().fit(train.x, words[train.y])
    rule = decision_threshold(estimator, validation.x, words[validation.y], precision=0.9)
    found = estimator.predict_proba(validation.x)[:, 1] >= rule.threshold
    assert (words[validation.y][found] == "yes").mean() >= 0.9
    ours = NetworkClassifier((8,), epochs=5, random_state=0).fit(train.x, words[train.y])
    assert decision_threshold(ours, validation.x, words[validation.y], recall=0.9).label == "yes"
    with pytest.raises(DataError, match="y must hold the classes of the estimator, no, yes"):
        decision_threshold(estimator, validation.x, validation.y, recall=0.9)


# -- largest errors ----------------------------------------------------------------------------------------------------


def test_the_rows_with_the_largest_errors():
    test = table(200, 7)
    y = test.y.copy()
    y[[13, 150]] += [5, -9]
    found = largest_errors(regression(), Dataset(test.x, y, origin=test.origin), count=2)
    assert found.rows.tolist() == [150, 13]
    np.testing.assert_allclose(found.errors, [9, -5], atol=0.6)
    np.testing.assert_allclose(found.predicted - found.true, found.errors)
    assert found.probability is None


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_the_rows_of_classes_with_the_largest_errors(head):
    test = table(200, 7, classes=True)
    model = classification(head)
    outputs = model.predict(test)
    p = np.concatenate([1 - outputs, outputs], axis=1) if head == "sigmoid" else outputs
    of_true = p[np.arange(200), test.y]
    found = largest_errors(model, test, count=5)
    assert found.rows.tolist() == np.argsort(of_true, kind="stable")[:5].tolist()
    np.testing.assert_allclose(found.errors, 1 - np.sort(of_true)[:5])
    assert all(true != predicted for true, predicted in zip(found.true, found.predicted, strict=True))
    assert (found.probability > 0.5).all()


# -- what is refused ---------------------------------------------------------------------------------------------------


def two_numbers() -> Model:
    return Sequential(Dense(2)).compile((6,), MeanSquaredError())


def images() -> Model:
    from pellucid import Flatten

    return Sequential(Flatten(), Dense(2), Softmax()).compile((4, 4, 1), CrossEntropy())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: permutation_importance(object(), np.zeros((3, 2)), np.zeros(3)),
            "or a trained scikit-learn estimator, got object",
        ),
        (lambda: permutation_importance(LinearRegression(), np.zeros((3, 2))), "needs the targets"),
        (lambda: permutation_importance(LinearRegression(), csr_matrix((3, 2)), np.zeros(3)), r"make .* dense: x\.toarray"),
        (lambda: partial_dependence(LinearRegression(), csr_matrix((3, 2)), 0), r"make .* dense: x\.toarray"),
        (
            lambda: permutation_importance(LinearRegression(), np.zeros((3, 2)), np.zeros(3), metric=R2()),
            "one of scikit-learn's scores",
        ),
        (lambda: permutation_importance(regression(), table(9, 0), metric="r2"), "expected a metric, such as LogLoss"),
        (
            lambda: permutation_importance(classification(), table(9, 0, classes=True), metric=ConfusionMatrix()),
            "has several values",
        ),
        (lambda: permutation_importance(images(), np.zeros((3, 4, 4, 1)), np.zeros(3, int)), r"samples are rows \(d\)"),
        (lambda: permutation_importance(regression(), table(9, 0), repeats=0), "repeats"),
        (lambda: partial_dependence(regression(), table(9, 0), "town"), "there is no column 'town'"),
        (lambda: partial_dependence(regression(), table(9, 0), "a", points=1), "at least 2 points"),
        (lambda: partial_dependence(regression(), table(9, 0), "a", percentiles=(0.9, 0.1)), "in ascending order"),
        (lambda: prediction_intervals(two_numbers(), np.zeros((3, 6)), np.zeros((3, 2))), "one number for each row"),
        (lambda: prediction_intervals(regression(), table(9, 0), level=1.0), "level"),
        (lambda: decision_threshold(classification(), table(9, 0, classes=True)), "either a precision or a recall"),
        (
            lambda: decision_threshold(classification(), table(9, 0, classes=True), precision=0.9, recall=0.9),
            "either a precision or a recall",
        ),
        (lambda: decision_threshold(regression(), table(9, 0), recall=0.9), "but this one predicts numbers"),
        (
            lambda: decision_threshold(classification(), table(99, 0, classes=True), recall=0.9, label="yess"),
            "no class 'yess': did you mean 'yes'",
        ),
        (lambda: decision_threshold(classification(), table(99, 0, classes=True), precision=1.5), "above 0 and at most 1"),
    ],
)
def test_errors_say_what_was_expected(call, message):
    with pytest.raises((ConfigError, DataError), match=message):
        call()


def test_scores_are_no_probabilities():
    data = from_arrays(np.arange(8.0)[:, None], np.arange(8) > 5, names=["area"])
    model = Sequential(Dense(1)).compile((1,), Hinge(), classes=["small", "large"], input_stage=data.input_stage())
    model.weights["dense1.W"][...], model.weights["dense1.b"][...] = 1, -0.4
    labels = (np.arange(8) > 5).astype(int)
    with pytest.raises(ConfigError, match="scores that are not probabilities"):
        decision_threshold(model, data.x, labels, recall=0.9)
    assert largest_errors(model, data.x, labels, count=8).rows[0] == 5, "the row at the wrong side, or nearest to it"
