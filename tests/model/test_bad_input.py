"""Invalid input: one clear error of the library that says what to do, and nothing is changed."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest

from pellucid import (
    SGD,
    Accuracy,
    Adam,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    DivergedError,
    FileError,
    Flatten,
    Model,
    Recall,
    ReLU,
    Sequential,
    ShapeError,
    Softmax,
)
from pellucid.core.config import from_json
from pellucid.data import Dataset, load, mnist, read_idx, read_image, write_idx
from pellucid.layers import Layer
from pellucid.runs import presets
from pellucid.runs.folder import RunFolder

X = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
Y = np.arange(40) % 3
BYTES = np.random.default_rng(1).integers(0, 256, (40, 4, 4, 1), np.uint8)


def model():
    return Sequential(Dense(6), ReLU(), Dense(3), Softmax()).compile((5,), CrossEntropy(), SGD(0.1), metrics=[Accuracy()])


def model_of_bytes():
    trained = Sequential(Flatten(), Dense(3), Softmax()).compile((4, 4, 1), CrossEntropy())
    trained.fit(BYTES, Y)
    return trained


def changed(where, value):
    x = X.copy()
    x[where] = value
    return x


# A name, a call with a trained model, the error and its message.
INVALID_CALLS = [
    ("wrong shape", lambda m: m.fit(X[:, :4], Y), ShapeError, r"must have the shape \(n, 5\), got \(40, 4\)"),
    ("one sample without its axis", lambda m: m.predict(X[0]), ShapeError, r"got \(5,\); for a single sample give x\[None\]"),
    ("a single number", lambda m: m.predict(3.0), ShapeError, "one row for each sample, got a single number"),
    ("lengths differ", lambda m: m.fit(X, Y[:39]), ShapeError, "y has 39 rows and x has 40"),
    ("lists of unequal length", lambda m: m.predict([[1, 2], [3]]), DataError, "x cannot be converted to an array"),
    ("labels of unequal length", lambda m: m.fit(X[:2], [[0, 1], [1]]), DataError, "y cannot be converted to an array"),
    ("label too large", lambda m: m.fit(X, Y + 1), DataError, "label 3 in sample 2 .*3 outputs take the labels 0 … 2"),
    ("label below zero", lambda m: m.evaluate(X, Y - 1), DataError, "label -1 in sample 0 is out of range"),
    ("a label that is not whole", lambda m: m.fit(X, Y + 0.5), DataError, "integers 0 … 2, got 0.5"),
    (
        "one-hot of another width",
        lambda m: m.fit(X, np.eye(4)[Y]),
        ShapeError,
        r"have the shape \(3,\), the targets have \(4,\)",
    ),
    (
        "soft labels that do not sum to 1",
        lambda m: m.fit(X, np.ones((40, 3))),
        DataError,
        "sample 0 are not a distribution: .*sum to 1",
    ),
    ("NaN in the labels", lambda m: m.fit(X, np.full(40, np.nan)), DataError, "NaN or infinity in 40 places, first in"),
    ("labels as strings", lambda m: m.fit(X, Y.astype(str)), DataError, r"np.unique\(y, return_inverse=True\)"),
    ("no labels", lambda m: m.fit(X), DataError, r"arrays need their labels: fit\(x, y\)"),
    ("a data set without labels", lambda m: m.fit(Dataset(X, None)), DataError, "has no labels"),
    ("labels twice", lambda m: m.fit(Dataset(X, Y), Y), ConfigError, "either a data set or arrays"),
    ("one class only", lambda m: m.fit(X, 0 * Y + 2), DataError, "all labels are 2: a classifier needs at least two classes"),
    (
        "soft labels that are all equal",
        lambda m: m.fit(X, np.full((40, 3), 1 / 3)),
        DataError,
        "all labels are 0.33.*: no class",
    ),
    (
        "a negative weight in a batch",
        lambda m: m.train_on_batch(X, Y, -np.ones(40)),
        DataError,
        "not negative, got -1.0 at row 0",
    ),
    (
        "weights of a batch with a wrong shape",
        lambda m: m.train_on_batch(X, Y, np.ones((40, 1))),
        ShapeError,
        r"the shape \(40, 1\)",
    ),
    ("NaN", lambda m: m.fit(changed((37, 2), np.nan), Y, batch_size=4), DataError, "NaN or infinity.*sample 37: leave such"),
    ("infinity", lambda m: m.predict(changed((3, 2), -np.inf)), DataError, "NaN or infinity.*sample 3"),
    ("too large for float32", lambda m: m.fit(X.astype(float) * 1e300, Y), DataError, "NaN or infinity"),
    ("NaN in validation", lambda m: m.fit(X, Y, validation=(changed((9, 0), np.nan), Y)), DataError, "sample 9"),
    ("empty", lambda m: m.fit(X[:0], Y[:0]), DataError, r"the set is empty: x has the shape \(0, 5\)"),
    ("objects", lambda m: m.fit(X.astype(object), Y), DataError, "must hold numbers, got object"),
    ("complex", lambda m: m.predict(X + 1j), DataError, "must hold numbers, got complex"),
    ("dates", lambda m: m.predict(np.zeros((2, 5), "M8[s]")), DataError, "must hold numbers, got datetime64"),
    ("a string", lambda m: m.predict("image.png"), DataError, "'image.png' is a path, not data: read it first"),
    ("masked", lambda m: m.fit(np.ma.masked_less(X, 0), Y), DataError, "masked array; fill the masked values"),
    (
        "bytes instead of real numbers",
        lambda m: m.predict(np.zeros((2, 5), np.uint8)),
        DataError,
        r"uint8; .*astype\(np.float32\) / 255",
    ),
    (
        "fractions instead of bytes",
        lambda m: model_of_bytes().predict(BYTES / 255),
        DataError,
        r"got float64; .*\.astype\(np.uint8\)",
    ),
    (
        "grey images without a channel axis",
        lambda m: model_of_bytes().predict(BYTES[..., 0]),
        ShapeError,
        r"one channel: x\[\.\.\., None\]",
    ),
    (
        "a negative weight",
        lambda m: m.fit(X, Y, sample_weight=-np.ones(40)),
        DataError,
        "finite and not negative, got -1.0 at row 0",
    ),
    ("all weights zero", lambda m: m.fit(X, Y, sample_weight=np.zeros(40)), DataError, "all weights are zero"),
    (
        "weights of another length",
        lambda m: m.fit(X, Y, sample_weight=np.ones(4)),
        ShapeError,
        "sample_weight has 4 rows and x has 40",
    ),
    ("zero epochs", lambda m: m.fit(X, Y, epochs=0), ConfigError, "epochs must be at least 1"),
    ("half an epoch", lambda m: m.fit(X, Y, epochs=1.5), ConfigError, "epochs must be an integer"),
    ("negative batch size", lambda m: m.fit(X, Y, batch_size=-8), ConfigError, "batch_size must be at least 1"),
    ("a metric without its list", lambda m: m.evaluate(X, Y, metrics=Recall()), ConfigError, "metrics must be a list or tuple"),
    (
        "a class instead of an object",
        lambda m: m.evaluate(X, Y, metrics=[Recall]),
        ConfigError,
        r"add parentheses to create one: Recall\(\)",
    ),
    ("an unknown class", lambda m: m.evaluate(X, Y, metrics=[Recall(7)]), ConfigError, "label=7 is out of range"),
    ("no such folder", lambda m: m.save("/no/such/folder/m"), FileError, "there is no folder /no/such/folder; create it first"),
]


@pytest.mark.parametrize(
    ("call", "error", "message"), [row[1:] for row in INVALID_CALLS], ids=[row[0] for row in INVALID_CALLS]
)
def test_an_invalid_call_raises_and_leaves_the_model_unchanged(call, error, message):
    trained = model()
    trained.fit(X, Y)
    parameters, config, history = trained.parameters.copy(), trained.config(), trained.history
    with pytest.raises(error, match=message):
        call(trained)
    assert np.array_equal(trained.parameters, parameters)
    assert trained.config() == config
    assert trained.history is history
    trained.fit(X, Y)  # training continues as if there had been no invalid call
    other = model()
    other.fit(X, Y)
    other.fit(X, Y)
    assert np.array_equal(trained.parameters, other.parameters)


def test_an_invalid_first_training_does_not_determine_the_input_stage():
    fresh = model()
    with pytest.raises(DataError, match="label"):
        fresh.fit(X.astype(np.uint8), Y + 50)
    with pytest.raises(DataError, match="label"):
        fresh.train_on_batch(X.astype(np.uint8), Y + 50)
    assert fresh.input_stage is None
    fresh.fit(X, Y)


@pytest.mark.parametrize("seed", range(5))
def test_a_learning_rate_of_a_billion_raises_and_keeps_finite_parameters(seed):
    network = Sequential(Dense(32), ReLU(), Dense(32), ReLU(), Dense(3), Softmax())
    diverging = network.compile((5,), CrossEntropy(), SGD(1e9), seed=seed)
    with pytest.raises(DivergedError, match=r"at a learning rate of 1e\+09; the usual causes: .*try a tenth"):
        diverging.fit(X, Y, epochs=20, batch_size=10)
    assert np.isfinite(diverging.parameters).all()


# A name, a call and the message of its ConfigError.
INVALID_SETTINGS = [
    ("preset", lambda: presets.preset("mlp-smal"), "no preset 'mlp-smal': did you mean 'mlp-small'"),
    ("optimizer", lambda: presets.optimizer("adm"), "no optimizer 'adm': did you mean 'adam'"),
    ("data set", lambda: load("minst"), "no data set 'minst': did you mean 'mnist'"),
    ("class", lambda: from_json({"class": "Relu"}, Layer), "unknown class 'Relu': did you mean 'ReLU'"),
    ("key", lambda: from_json({"class": "Dense", "unit": 3}, Layer), "no setting 'unit': did you mean 'units'"),
    ("value", lambda: from_json({"class": "Dense", "units": "3"}, Layer), "units must be an integer, not str"),
    ("kind", lambda: from_json({"class": "SGD"}, Layer), "expected a Layer"),
    ("no class", lambda: from_json({"units": 3}, Layer), "settings need a 'class'"),
    ("learning rate", lambda: SGD(-0.1), "learning_rate must be above 0"),
    ("no number", lambda: Adam(float("nan")), "learning_rate must be a finite number"),
]


@pytest.mark.parametrize(("call", "message"), [row[1:] for row in INVALID_SETTINGS], ids=[row[0] for row in INVALID_SETTINGS])
def test_errors_of_settings_name_the_nearest_valid_one(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


def test_a_damaged_model_file_raises_wherever_the_damage_is(tmp_path):
    path = tmp_path / "m.pellucid"
    model().save(path)
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << (position % 8)
        path.write_bytes(damaged)
        with pytest.raises(FileError, match="is not a complete Pellucid model file"):
            Model.load(path)
    for size in (0, 7, 8, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FileError, match="is not a complete Pellucid model file"):
            Model.load(path)


def test_a_model_that_cannot_be_written_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "m.pellucid"
    trained = model()
    trained.save(path)
    before = path.read_bytes()
    trained.fit(X, Y)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match=r"m\.pellucid.*No space left on device"):
        trained.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.pellucid"]


def idx(shape, data, code=8):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape) + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (idx((3, 2), b"12345"), "truncated"),
        (idx((3, 2), b"1234567"), "other data follows"),
        (idx((2**31, 2**31), b"1"), "the IDX header implies"),
        (idx((3,), b"123", code=7), "unknown type 07"),
        (b"", "expected 00 00"),
        (gzip.compress(idx((300,), bytes(300)), mtime=0)[:-9], "damaged|truncated|gzip"),
    ],
)
def test_invalid_idx_files_raise_and_stay_unchanged(tmp_path, content, message):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(FileError, match=message):
        read_idx(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == content


def test_a_folder_with_other_files_than_mnist_raises(mnist_folder):
    write_idx(mnist_folder / "t10k-labels-idx1-ubyte", np.zeros(100, np.uint8))
    with pytest.raises(FileError, match=r"is not the t10k-labels.* of mnist: expected SHA-256"):
        mnist()
    with pytest.raises(DataError, match="there is no such folder"):
        mnist(data_dir="elsewhere")


def test_a_file_that_is_not_an_image_raises(tmp_path):
    (tmp_path / "image.png").write_text(json.dumps({"not": "an image"}))
    with pytest.raises(FileError, match="not an image of a known format"):
        read_image(tmp_path / "image.png", (28, 28, 1))


def test_a_run_folder_that_cannot_be_created_raises(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(FileError, match="cannot create the folder"):
            RunFolder(out, "mlp")
    with pytest.raises(FileError, match="is not empty: choose another folder with --out"):
        RunFolder(tmp_path, "mlp")
    assert (tmp_path / "file").read_text() == "mine"
