"""The report on a model of a table: what it contains for each kind of model, and what it leaves out."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

from pellucid import (
    Adam,
    BatchNorm,
    BinaryCrossEntropy,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Ensemble,
    Hinge,
    MeanSquaredError,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
)
from pellucid.cli.table_reports import wish_text
from pellucid.core.json_text import json_text
from pellucid.data import Dataset
from pellucid.data.dataset import Origin
from pellucid.data.tables.columns import Column
from pellucid.report.table_page import write_table_page
from pellucid.runs.table_report import is_about_a_table, table_report
from pellucid.runs.targets import one_target, scores_by_target, several_targets

COLUMNS = (Column("a"), Column("kind", ("x", "y")), Column("noise"))


def table(n, seed, classes=None):
    """Rows (a, kind, noise) with y = a + 2·kind + noise, or the class of its size."""
    random = np.random.default_rng(seed)
    a, noise = random.normal(0, 1, (2, n))
    kind = random.integers(2, size=n)
    y = a + 2 * kind + random.normal(0, 0.3, n)
    if classes is not None:
        y = np.digitize(y, np.linspace(-1, 3, len(classes) + 1)[1:-1])
    x = np.column_stack([a, 1 - kind, kind, noise])
    return Dataset(x, y, classes=classes, name="made", origin=Origin(columns=COLUMNS, target="size"))


@functools.cache
def trained(kind):
    """A model of numbers, of two classes, of three, with a single output, or with scores."""
    names = {"two": ("small", "large"), "single": ("small", "large"), "scores": ("small", "large"), "three": ("s", "m", "l")}
    data = table(600, 0, names.get(kind))
    head, loss = {
        "numbers": ([Dense(1)], MeanSquaredError()),
        "two": ([Dense(2), Softmax()], CrossEntropy()),
        "three": ([Dense(3), Softmax()], CrossEntropy()),
        "single": ([Dense(1), Sigmoid()], BinaryCrossEntropy()),
        "scores": ([Dense(1)], Hinge()),
    }[kind]
    model = Sequential(Dense(8), ReLU(), *head).compile(data.shape, loss, Adam(0.02), classes=data.classes)
    model.fit(data, epochs=6)
    return model


def report(kind, **wishes):
    model = trained(kind)
    return table_report(model, table(150, 1, model.classes), table(150, 2, model.classes), **wishes)


def test_a_report_on_one_of_several_targets():
    """Of a network with statistics of its own, and of an ensemble: the report is the one of its output alone."""
    data = table(400, 0)
    both = Dataset(
        data.x,
        np.stack([data.y, 50 - 9 * data.y], axis=1),
        origin=Origin(columns=COLUMNS, target="size, rest", targets=(Column("size"), Column("rest"))),
    )
    model = Sequential(Dense(8), BatchNorm(), ReLU(), Dense(2)).compile(both.shape, MeanSquaredError(), Adam(0.02))
    model.fit(both, epochs=8)
    assert several_targets(model) == ("size", "rest")
    for evaluated in (model, Ensemble([model, model])):
        outputs = evaluated.predict(both)
        for i, name in enumerate(("size", "rest")):
            np.testing.assert_array_equal(one_target(evaluated, i).predict(both)[:, 0], outputs[:, i])
            found = table_report(evaluated, both, both, target=name)
            assert found.target == name
            np.testing.assert_array_equal(found.predictions.outputs, outputs[:, i])
            np.testing.assert_array_equal(found.predictions.true, both.y[:, i])
            assert found.intervals.half_widths[0] > 0
        scores = scores_by_target(evaluated, both)
        assert scores["rest"]["mae"] == pytest.approx(np.abs(outputs[:, 1] - both.y[:, 1]).mean(), rel=1e-5)
    assert scores_by_target(trained("numbers"), table(9, 0)) == {}
    with pytest.raises(ConfigError, match="the model predicts size, rest: name one of them"):
        table_report(model, both)


@pytest.mark.parametrize("kind", ["numbers", "two", "single", "three", "scores"])
def test_every_kind_of_model_has_a_report(kind, tmp_path):
    assert is_about_a_table(trained(kind))
    found = report(kind)
    assert (found.rows, found.calibration_rows, found.target) == (150, 150, "size")
    assert [found.importance.columns[i] for i in found.importance.order][2] == "noise"
    assert found.importance.metric == {"numbers": "r2", "scores": "accuracy"}.get(kind, "log_loss")
    assert len(found.worst_cells) == 10
    assert set(found.worst_cells[0]) == {"a", "kind", "noise"}
    assert found.worst_cells[0]["kind"] in ("x", "y")
    assert found.worst_cells[0]["a"] == pytest.approx(float(table(150, 1).x[found.worst.rows[0], 0]))
    assert (found.intervals is not None) == (kind == "numbers")
    assert (found.reliability is not None) == (kind in ("two", "single", "three"))
    assert set(found.curves) == {"two": {"large"}, "single": {"large"}, "three": {"s", "m", "l"}}.get(kind, set())
    assert len(found.wishes) == (6 if kind in ("two", "single") else 0)
    record = json.loads(json_text(found.record()))
    assert ("residuals" in record) == (kind == "numbers")
    assert record["left_out"] == (
        ["thresholds and calibration: the outputs of this model are scores, not probabilities"] if kind == "scores" else []
    )
    assert write_table_page([found], tmp_path / "page.html", name="a < b", about=[("Data", "made & more")])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<h1>size, predicted by a &lt; b</h1>" in page
    assert "made &amp; more" in page
    names = {"numbers": 4, "two": 5, "single": 5, "three": 5, "scores": 3}
    assert page.count("<figure>") == names[kind] == len(found.figures())


def test_a_wish_of_three_classes_needs_its_class():
    with pytest.raises(ConfigError, match="name one of the 3 classes: s, m, l"):
        report("three", recall=0.9)
    found = report("three", recall=0.9, positive="m")
    (wish,) = found.wishes
    assert wish.chosen.recall >= 0.9
    assert (wish.label, wish.rule.label) == ("m", "m")
    assert set(found.curves) == {"m"}
    assert found.reliability_of == "m"
    data = table(150, 1, trained("three").classes)
    decided = wish.rule.decide(trained("three").predict(data), trained("three").classes) == 1
    assert wish.measured.recall == pytest.approx((decided & (data.y == 1)).sum() / (data.y == 1).sum()), "on the test part"


def test_what_too_few_samples_leave_out():
    numbers = table_report(trained("numbers"), table(50, 1), table(8, 2))
    assert numbers.intervals is None
    assert numbers.notes == (
        "prediction intervals: intervals of 90 % need at least 9 calibration samples, and there are 8: give more, or take a "
        "lower level",
    )
    two = trained("two")
    small = table(40, 2, two.classes)
    one_class = small.take(np.flatnonzero(small.y == 0))
    found = table_report(two, table(50, 1, two.classes), one_class)
    assert found.wishes == ()
    (note,) = found.notes
    assert note == "thresholds of large: on the validation part, there is no row of large, so no threshold can be judged"
    with pytest.raises(DataError, match="validation part, class large: there is no row of large, so no threshold"):
        table_report(two, table(50, 1, two.classes), one_class, recall=0.9)
    found = table_report(two, one_class, small)
    assert found.curves == {}
    assert found.wishes == ()
    assert found.notes == ("the curves of large: there is no row of large, so no threshold can be judged",)


@pytest.mark.parametrize("only", [0, 1])
def test_a_wish_is_chosen_where_the_test_part_has_one_class_only(only, tmp_path):
    two = trained("two")
    rows, other = table(60, 1, two.classes), table(150, 2, two.classes)
    found = table_report(two, rows.take(np.flatnonzero(rows.y == only)), other, recall=0.9)
    (wish,) = found.wishes
    assert wish.chosen == table_report(two, rows, other, recall=0.9).wishes[0].chosen
    assert wish.measured is None
    lacking = ("there is no row of large", "all rows are of large")[only]
    assert wish_text(wish, found).endswith(f" on the validation part; not measured on the test part: {lacking}")
    (record,) = json.loads(json_text(found.record()))["thresholds"]
    assert (record["threshold"], record["test"]) == (wish.chosen.threshold, None)
    write_table_page([found], tmp_path / "page.html", name="a", about=[], run="a")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<td>not measured</td>" in page
    assert f"--threshold large={wish.chosen.threshold!r}" in page


def test_a_threshold_that_no_row_of_the_test_part_reaches():
    two = trained("two")
    rows, other = table(150, 1, two.classes), table(150, 2, two.classes)
    unlikely = rows.take(np.flatnonzero(two.predict(rows)[:, 1] < 0.6))
    found = table_report(two, unlikely, other, precision=1)
    assert found.wishes[0].measured.chosen == 0
    text = wish_text(found.wishes[0], found)
    assert text.endswith(", precision –, recall 0.0 % on the test part, where no row reaches it")


def test_wishes_are_refused_before_the_importance_is_measured(monkeypatch):
    monkeypatch.setattr("pellucid.runs.table_report.permutation_importance", None)
    with pytest.raises(ConfigError, match="name one of the 3 classes"):
        report("three", recall=0.9)
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        report("two", recall=2)
    data = table(150, 2, ("small", "large"))
    swapped = Dataset(data.x, 1 - data.y, classes=data.classes, name="swapped", origin=data.origin)
    with pytest.raises(DataError, match="no threshold has a precision of 1 on these samples"):
        table_report(trained("two"), data, swapped, precision=1)


def test_bins_need_a_hundred_rows_each():
    model = trained("numbers")
    assert len(table_report(model, table(50, 1), table(199, 2)).intervals.counts) == 1
    assert len(table_report(model, table(50, 1), table(320, 2)).intervals.counts) == 3
    assert len(table_report(model, table(50, 1), table(900, 2)).intervals.counts) == 5


def test_a_report_without_calibration_has_neither_thresholds_nor_intervals():
    found = table_report(trained("two"), table(50, 1, ("small", "large")))
    assert found.wishes == ()
    assert found.notes == ("thresholds and prediction intervals: they need the validation part of the run's data",)
    assert found.curves
    with pytest.raises(ConfigError, match="give them as calibration, such as the validation part"):
        table_report(trained("two"), table(50, 1, ("small", "large")), recall=0.9)
    with pytest.raises(ConfigError, match="probabilities of classes only"):
        report("scores", recall=0.9)
    with pytest.raises(ConfigError, match="probabilities of classes only"):
        report("numbers", positive="large")


def test_an_ensemble_has_a_report():
    one, two = (
        report("two"),
        table_report(
            Ensemble([trained("two"), trained("two")]), table(150, 1, ("small", "large")), table(150, 2, ("small", "large"))
        ),
    )
    np.testing.assert_allclose(one.importance.values, two.importance.values, atol=1e-5)


def test_other_models_have_no_report():
    plain = Sequential(Dense(2), Softmax()).compile((3,), CrossEntropy())
    assert not is_about_a_table(plain), "its rows have no names"
    with pytest.raises(ConfigError, match="for models of tables"):
        table_report(plain, table(9, 0))
    several = Sequential(Dense(2)).compile((4,), MeanSquaredError(), input_stage=table(20, 0).input_stage())
    assert not is_about_a_table(several)
