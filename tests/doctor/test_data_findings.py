"""Findings on data: for each kind a planted case that has it and a near miss that does not; healthy data has none."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pellucid import DataError
from pellucid.data import Dataset, Splits, from_arrays, mnist_scenes, split_windows, windows
from pellucid.data.planar import blobs, circles, moons, spirals, xor
from pellucid.doctor import diagnose_data
from pellucid.doctor.columns import outliers
from pellucid.doctor.data_kinds import DATA_KINDS, WRONG_LABELS

N, D = 600, 4
NAMES = [f"c{i}" for i in range(D)]
CLASSES = ("red", "green", "blue")


def table(seed: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Return x (n, 4) and labels of three classes that depend on all columns, with noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, D))
    score = x.sum(axis=1) + random.normal(size=n)
    return x, np.digitize(score, [-1, 1])


def numbers(seed: int = 0, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Return x (n, 4) and real targets that depend on all columns, with noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, D))
    return x, x.sum(axis=1) + random.normal(size=n)


def named(x: np.ndarray, y: np.ndarray, **more: object) -> Dataset:
    names = [f"c{i}" for i in range(x.shape[1])]
    return from_arrays(x, y, names=names, classes=CLASSES if y.dtype.kind == "i" else None, name="planted", **more)


def pictures(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 12, 12, 1) of bytes with a black border, and their labels: a bright block at one of three places."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = np.zeros((n, 12, 12, 1), np.uint8)
    x[:, 2:10, 2:10] = random.integers(0, 90, (n, 8, 8, 1))
    for image, label in zip(x, y, strict=True):
        image[3:6, 2 + 2 * label : 5 + 2 * label] += 160
    return x, y


def images(x: np.ndarray, y: np.ndarray) -> Dataset:
    return Dataset(x, y, classes=CLASSES, name="planted")


def changed(column: int, change: Callable[[np.ndarray], np.ndarray], make=table) -> tuple[np.ndarray, np.ndarray]:
    x, y = make()
    x[:, column] = change(x[:, column])
    return x, y


def with_value(value: float, count: int, make=table) -> Dataset:
    x, y = make()
    x[7 : 7 + count, 2] = value
    return named(x, y)


def with_column(column: Callable[[np.ndarray, np.ndarray], np.ndarray], make=table) -> Dataset:
    x, y = make()
    return named(np.column_stack([x, column(x, y)]), y)


def parts(validation: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]], make=table) -> Splits:
    """Return splits whose validation set has been changed."""
    train, other, test = (named(*make(seed, n)) for seed, n in ((0, N), (1, 400), (2, 400)))
    other = named(*validation(other.x.copy(), other.y.copy()))
    return Splits(train, other, test, "planted", "memory", "")


def first_rows(count: int) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return a change that replaces the first rows by training samples."""

    def change(x, y):
        x[:count], y[:count] = (array[50 : 50 + count] for array in table())
        return x, y

    return change


def repeated(count: int, *, shift: int = 0) -> Dataset:
    """Return a table whose last rows repeat the first; ``shift`` is added to their labels."""
    x, y = table()
    x[-count:], y[-count:] = x[:count], (y[:count] + shift) % 3
    return named(x, y)


def only(count: int, label: int = 2) -> Dataset:
    """Return a table with so many samples of one class."""
    x, y = table()
    kept = np.sort(np.concatenate([np.flatnonzero(y != label), np.flatnonzero(y == label)[:count]]))
    return named(x[kept], y[kept])


def without(label: int, keep: int = 0) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    def change(x, y):
        kept = np.sort(np.concatenate([np.flatnonzero(y != label), np.flatnonzero(y == label)[:keep]]))
        return x[kept], y[kept]

    return change


def blank(count: int) -> Dataset:
    x, y = pictures()
    x[10 : 10 + count] = 0
    x[10 : 10 + count] += np.arange(1, count + 1, dtype=np.uint8).reshape(-1, 1, 1, 1)  # no two are the same
    return images(x, y)


def missing(share: float) -> Dataset:
    x, y = table()
    x[: round(share * N), 1] = np.nan
    data = named(x, y)
    return Dataset(data.x, data.y, classes=CLASSES, origin=finding_origin(data))


def finding_origin(data: Dataset):
    from dataclasses import replace

    assert data.origin is not None
    return replace(data.origin, missing="mean")


def raw(x: np.ndarray, y: np.ndarray) -> Dataset:
    """Return a table without names of columns, which no input stage standardizes."""
    return Dataset(x.astype(np.float32), y, classes=CLASSES, name="planted")


def scaled(factor: float) -> Dataset:
    return raw(*changed(3, lambda c: factor * c))


def some_nan(value: float) -> Dataset:
    x, y = table()
    x[5, 1] = value
    return named(x, y)


def binary_images(value: int) -> Dataset:
    x, y = pictures()
    return images((x > 127).astype(np.uint8) * value, y)


def sparse_pixels(constant: float) -> Dataset:
    """Return flat images of 0 … 16, two of whose pixels have one value."""
    x, y = pictures()
    x = np.round(x.reshape(len(x), -1)[:, 26:] / 16)
    x[:, :2] = constant
    return raw(x, y)


class Planted(NamedTuple):
    """A case with the finding, where it is, a near miss without it, and the samples that the finding begins with."""

    ill: Callable[[], Dataset | Splits]
    where: str
    near: Callable[[], Dataset | Splits]
    samples: tuple[int, ...] = ()


CASES = [
    ("nan-in-data", Planted(lambda: some_nan(np.inf), "training set", lambda: some_nan(3.0), (5,))),
    (
        "nan-in-data",
        Planted(
            lambda: named(numbers()[0], np.where(np.arange(N) == 9, np.nan, numbers()[1])),
            "targets of the training set",
            lambda: named(*numbers()),
            (9,),
        ),
    ),
    (
        "constant-inputs",
        Planted(lambda: images(*[pictures()[0] * 0 + 7, pictures()[1]]), "training set", lambda: images(*pictures())),
    ),
    ("constant-inputs", Planted(lambda: raw(np.ones((N, 3)), table()[1]), "training set", lambda: raw(*table()))),
    ("constant-target", Planted(lambda: named(table()[0], np.ones(N, int)), "training set", lambda: named(*table()))),
    ("constant-target", Planted(lambda: named(table()[0], np.full(N, 2.5)), "target", lambda: named(*numbers()))),
    ("shared-samples", Planted(lambda: parts(first_rows(6)), "validation set", lambda: parts(first_rows(3)), (0, 1, 2))),
    (
        "leaked-target",
        Planted(
            lambda: with_column(lambda x, y: 3.0 * y + 0.1 * np.abs(x[:, 0] % 1)),
            "column c4",
            lambda: with_column(lambda x, y: np.where(x[:, 0] > 1.9, 1.0, y)),  # right for 98 % of the samples
        ),
    ),
    (
        "leaked-target",
        Planted(
            lambda: with_column(lambda x, y: 100 * y + 0.1 * x[:, 0], numbers),
            "column c4",
            lambda: with_column(lambda x, y: y + 0.4 * np.random.default_rng(5).normal(size=len(y)), numbers),
        ),
    ),
    ("missing-class", Planted(lambda: only(0), "class blue, training set", lambda: only(N))),
    ("missing-class", Planted(lambda: parts(without(2)), "class blue, validation set", lambda: parts(without(2, keep=20)))),
    ("contradicting-labels", Planted(lambda: repeated(3, shift=1), "training set", lambda: repeated(3), (0, N - 3))),
    ("target-outliers", Planted(lambda: named(*target_of(999.0)), "target", lambda: named(*target_of(15.0)), (11,))),
    ("outliers", Planted(lambda: with_value(-999.0, 3), "column c2", lambda: with_value(-9.0, 3), (7, 8, 9))),
    ("wild-scales", Planted(lambda: scaled(150.0), "columns 3, ", lambda: scaled(70.0))),
    (
        "offset-inputs",
        Planted(lambda: raw(*changed(1, lambda c: 400 + 5 * c)), "column 1", lambda: raw(*changed(1, lambda c: 200 + 5 * c))),
    ),
    (
        "large-inputs",
        Planted(lambda: raw(40 * table()[0], table()[1]), "training set", lambda: raw(20 * table()[0], table()[1])),
    ),
    ("tiny-inputs", Planted(lambda: binary_images(1), "training set", lambda: binary_images(16))),
    ("blank-samples", Planted(lambda: blank(5), "training set", lambda: blank(2), (10, 11))),
    (
        "shifted-targets",
        Planted(lambda: parts(without(2, keep=12)), "class blue, validation set", lambda: parts(without(2, keep=40))),
    ),
    (
        "shifted-targets",
        Planted(
            lambda: parts(lambda x, y: (x, y + 2.5), numbers),
            "target, validation set",
            lambda: parts(lambda x, y: (x, y + 0.3), numbers),
        ),
    ),
    (
        "shifted-inputs",
        Planted(
            lambda: parts(lambda x, y: (x + 1.5 * np.eye(D)[1], y)),
            "column c1, validation set",
            lambda: parts(lambda x, y: (x + 0.2 * np.eye(D)[1], y)),
        ),
    ),
    ("repeated-samples", Planted(lambda: repeated(30), "training set", lambda: repeated(9), (N - 30,))),
    ("few-samples", Planted(lambda: only(3), "class blue", lambda: only(7))),
    ("unequal-classes", Planted(lambda: only(15), "class blue", lambda: only(30))),
    ("mostly-missing", Planted(lambda: missing(0.6), "column c1", lambda: missing(0.4))),
    (
        "constant-column",
        Planted(
            lambda: with_column(lambda x, y: np.full(len(x), 7.0)),
            "column c4",
            lambda: with_column(lambda x, y: np.where(np.arange(len(x)) % 20, 7.0, 8.0)),
        ),
    ),
    ("constant-column", Planted(lambda: sparse_pixels(3.0), "columns 0, 1", lambda: sparse_pixels(0.0))),
    (
        "same-column",
        Planted(
            lambda: with_column(lambda x, y: 30.0 - 2.54 * x[:, 1]),
            "column c4",
            lambda: with_column(lambda x, y: x[:, 1] + 0.02 * x[:, 0]),
        ),
    ),
]


def target_of(value: float) -> tuple[np.ndarray, np.ndarray]:
    x, y = numbers()
    y[11] = value
    return x, y


@pytest.mark.parametrize(("kind", "case"), CASES, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(CASES)])
def test_a_planted_case_is_found_and_a_near_miss_is_not(kind, case):
    found = [one for one in diagnose_data(case.ill()) if one.kind == kind]
    assert len(found) == 1, f"{kind} is found once, in the part that has it"
    (one,) = found
    assert one.where.startswith(case.where)
    assert one.threshold == DATA_KINDS[kind].threshold
    beyond = (
        one.figure < one.threshold if kind in ("leaked-target", "tiny-inputs", "few-samples") else one.figure >= one.threshold
    )
    assert beyond, "the figure is on the wrong side of the threshold"
    assert one.samples[: len(case.samples)] == case.samples
    assert one.since is None
    assert len(one.text) < 300
    assert one.text[-1] == "."
    assert kind not in diagnose_data(case.near()).kinds


def test_every_kind_has_a_case():
    assert set(DATA_KINDS) - {kind for kind, _ in CASES} == {WRONG_LABELS.name}  # see test_wrong_labels.py


@pytest.mark.parametrize("kind", DATA_KINDS.values(), ids=lambda kind: kind.name)
def test_the_page_lists_every_kind_with_its_threshold(kind):
    page = (Path(__file__).parents[2] / "docs/doctor.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith(f"| `{kind.name}` |"))
    assert f"{kind.threshold:g}" in re.split(r" \| ", row)[2]


def test_the_most_serious_findings_are_first():
    x, y = table()
    x = np.column_stack([x, x[:, 0], np.where(y == 0, np.inf, x[:, 1] % 1), y])
    diagnosis = diagnose_data(named(x, y))
    assert diagnosis.kinds == ["nan-in-data", "leaked-target", "same-column"]
    assert diagnosis.record()[0]["samples"][0] == int(np.flatnonzero(y == 0)[0])


# -- healthy data ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
@pytest.mark.parametrize("seed", range(3))
def test_real_tables_have_no_finding(name, seed):
    sklearn = pytest.importorskip("sklearn.datasets")
    bunch = getattr(sklearn, f"load_{name}")()
    classes = None if name == "diabetes" else [str(label) for label in bunch.target_names]
    data = from_arrays(bunch.data, bunch.target, names=[str(one) for one in bunch.feature_names], classes=classes)
    assert str(diagnose_data(data.splits(0.15, 0.15, seed))) == "no findings"


@pytest.mark.parametrize("name", ["wine", "breast_cancer"])
def test_columns_that_nothing_standardizes_are_found_in_real_tables(name):
    sklearn = pytest.importorskip("sklearn.datasets")
    bunch = getattr(sklearn, f"load_{name}")()
    assert diagnose_data(from_arrays(bunch.data, bunch.target)).kinds == ["wild-scales"]


def test_images_have_no_finding(digits_5k):
    train, test = digits_5k
    assert str(diagnose_data(Splits(*train.split(0.1), test, "digits", "memory", ""))) == "no findings"
    as_floats = [Dataset(part.x.astype(np.float32) / 255, part.y) for part in (train, test)]
    assert not diagnose_data(Splits(as_floats[0], as_floats[1], as_floats[1].limit(500), "d", "m", "")).findings[1:]
    flat = Dataset(train.x.reshape(len(train), -1)[:450], train.y[:450])
    assert str(diagnose_data(flat)) == "no findings", "constant pixels at the border are usual"


def test_scenes_with_class_maps_have_no_finding(mnist_folder):
    assert str(diagnose_data(mnist_scenes())) == "no findings"


@pytest.mark.parametrize("seed", range(3))
def test_a_periodic_series_with_a_trend_has_no_finding(seed):
    time = np.arange(2000)
    noise = np.random.default_rng(seed).normal(size=(2000, 2))
    series = np.stack([np.round(np.sin(time * np.pi / 12), 6), 0.01 * time], axis=1) + np.array([0, 1]) * noise
    assert str(diagnose_data(split_windows(series, 48, 12))) == "no findings"
    assert str(diagnose_data(windows(series, 48, 12))) == "no findings"


def test_tables_of_few_categories_repeat_themselves():
    """Their repetitions, contradictions and common samples are those that chance explains."""
    random = np.random.default_rng(0)
    x = random.integers(0, 3, (2000, 4)).astype(float)
    y = (x.sum(axis=1) + random.normal(size=2000) > 4).astype(int)
    assert str(diagnose_data(from_arrays(x, y, names=list("abcd")).splits(0.1, 0.1))) == "no findings"


def test_long_tails_are_no_outliers():
    random = np.random.default_rng(0)
    tails = [random.lognormal(size=3000), random.exponential(size=3000), random.standard_t(3, 3000), random.poisson(1, 3000)]
    rare = np.where(random.random(3000) < 0.01, 5.0, 0.0)
    for values in (*tails, rare, np.zeros(3000), np.arange(29.0) ** 9):
        assert outliers(values)[1].size == 0
    ages = np.concatenate([random.integers(0, 90, 500), [999, 999]]).astype(float)
    distance, rows = outliers(ages)
    assert rows.tolist() == [500, 501]
    assert distance == pytest.approx(910 / 89)
    both = np.concatenate([random.normal(170, 10, 500), [1.8e5, -1]])
    assert outliers(both)[1].tolist() == [500], "−1 is within three ranges of the others"


@pytest.mark.parametrize("make", [blobs, circles, moons, spirals, xor])
def test_problems_in_the_plane_have_no_finding(make):
    assert str(diagnose_data(make(400).splits(0.1, 0.1))) == "no findings"


def test_an_easy_problem_has_not_leaked():
    """Two columns tell two far groups apart: then nothing shows that one of them has leaked."""
    random = np.random.default_rng(0)
    y = np.arange(400) % 2
    x = random.normal(size=(400, 3)) + 20 * y[:, None] * [1, 1, 0]
    assert "leaked-target" in diagnose_data(from_arrays(x, y, names=list("abc"))).kinds, "the third column tells nothing"
    x[:, 2] += 4 * y
    assert "leaked-target" not in diagnose_data(from_arrays(x, y, names=list("abc"))).kinds


def test_a_leak_among_categories_is_named():
    from pellucid.data.dataset import Origin
    from pellucid.data.tables.columns import Column

    x, y = table()
    one_hot = np.eye(3)[y]
    columns = (*(Column(name) for name in NAMES), Column("colour", ("r", "g", "b")))
    data = Dataset(np.column_stack([x, one_hot]), y, classes=CLASSES, origin=Origin(columns=columns))
    diagnosis = diagnose_data(data)
    assert [one.where for one in diagnosis if one.kind == "leaked-target"] == ["column colour=r"]
    assert diagnosis.kinds == ["leaked-target"], "the categories of one column are no copies of each other"


def test_several_inputs_and_outputs_are_named():
    x, y = table()
    pixels = np.random.default_rng(0).integers(0, 255, (N, 5, 5, 1)).astype(np.uint8)
    values = x[:, 0].copy()
    values[3] = 1e6
    picture = Dataset({"picture": pixels, "row": named(100 * x + [0, 0, 0, 1], y)}, {"class": y, "size": values})
    assert str(diagnose_data(picture).findings[0]).startswith("leaked-target, column c0 of the input row")
    assert "target of the output size" in [one.where for one in diagnose_data(picture)]
    twice = Dataset({"a": np.repeat(x[:300], 2, axis=0), "b": np.random.default_rng(0).normal(size=(600, 2))}, y)
    assert "repeated-samples" not in diagnose_data(twice).kinds, "samples differ in the other input"


def test_rows_of_a_memory_map_are_counted_in_the_part(tmp_path):
    x, y = table()
    np.save(tmp_path / "x.npy", x)
    stored = np.load(tmp_path / "x.npy", mmap_mode="r")
    rows = np.arange(N)[::-1]
    data = Dataset(stored, y, rows=rows, origin=named(x, y).origin)
    assert str(diagnose_data(data)) == "no findings"
    x[7, 2] = np.nan
    np.save(tmp_path / "y.npy", x)
    origin = dataclasses.replace(data.origin, missing="error")
    data = Dataset(np.load(tmp_path / "y.npy", mmap_mode="r"), y, rows=rows, origin=origin)
    assert diagnose_data(data)[0].samples == (N - 8,)


def test_other_objects_are_refused():
    with pytest.raises(DataError, match="use from_arrays"):
        diagnose_data(np.zeros((3, 2)))  # type: ignore[arg-type]


def test_a_set_without_targets_and_autoencoders_are_examined():
    x, _ = pictures()
    assert str(diagnose_data(Dataset(x, None))) == "no findings"
    assert str(diagnose_data(Dataset(x, (x / 255).astype(np.float32)))) == "no findings"
    assert str(diagnose_data(Dataset(np.arange(40.0), np.arange(40.0) ** 2))) == "no findings"


ODD = {
    "bool": lambda r, shape: r.random(shape) < 0.3,
    "big endian": lambda r, shape: r.normal(size=shape).astype(">f4"),
    "half": lambda r, shape: r.normal(size=shape).astype(np.float16),
    "columns first": lambda r, shape: np.asfortranarray(r.integers(0, 3, shape).astype(np.int8)),
    "huge integers": lambda r, shape: r.integers(0, 2**63, shape, dtype=np.uint64),
    "all missing": lambda r, shape: np.full(shape, np.nan),
    "the limits of float64": lambda r, shape: r.choice([np.inf, 0, 1e300, -1e300, 1e-320], shape),
    "zeros": lambda r, shape: np.zeros(shape),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("n", [1, 2, 40])
def test_odd_data_is_examined_without_warnings(name, n):
    random = np.random.default_rng(n)
    for shape in ((), (3,), (4, 2), (3, 3, 1)):
        targets = (None, random.integers(0, 3, n), ODD[name](random, (n, 1)), np.eye(3)[random.integers(0, 3, n)])
        for y in targets:
            data = Dataset(ODD[name](random, (n, *shape)), y)
            assert isinstance(str(diagnose_data(data)), str)
            if len(shape) == 1:
                missing = Dataset(data.x, y, origin=finding_origin(named(np.zeros((2, 3)), np.zeros(2))))
                assert isinstance(str(diagnose_data(missing)), str)


def test_labels_of_steps_and_independent_labels_are_no_numbers():
    """The last step of each is padding: a constant, but not a constant target."""
    words = np.random.default_rng(0).integers(1, 9, (200, 6))
    words[:, -1] = 0
    yes = (words > 4).astype(float)
    for y in (words, yes):
        assert str(diagnose_data(Dataset(words[..., None].astype(float), y))) == "no findings"


def test_integers_beyond_the_classes_are_no_labels():
    x, y = numbers()
    ages = np.round(40 + 10 * y).astype(int)
    ages[3] = 99_999
    assert diagnose_data(from_arrays(x, ages, names=NAMES)).kinds == ["target-outliers"]
    few = np.where(y > 0, 10**9, 5)
    assert "missing-class" not in diagnose_data(from_arrays(x, few, names=NAMES)).kinds
