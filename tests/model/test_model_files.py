"""Model files: loading restores the model, and invalid files raise an error."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import (
    L2,
    SGD,
    Accuracy,
    Adadelta,
    Adam,
    Chain,
    CheckpointError,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    FileError,
    Flatten,
    Layer,
    Model,
    Normal,
    ReLU,
    RMSprop,
    Sequential,
    Slot,
    Softmax,
)
from pellucid.core.config import registered_classes, to_json
from pellucid.core.files import FORMAT, NEEDS, TensorFile, save_tensors
from pellucid.data.series.layout import SeriesLayout
from pellucid.data.tables.columns import Column, Standardization
from pellucid.layers import LayerSpec


def new_model(seed=0):
    """An untrained model for images (7, 7, 1), with all settings that a file stores."""
    network = Sequential(Flatten(), Dense(16), ReLU(), Dropout(0.2), Dense(10), Softmax())
    return network.compile((7, 7, 1), CrossEntropy(), Adam(0.01), metrics=[Accuracy()], seed=seed)


def test_loading_restores_the_model(images, tmp_path):
    trained = new_model(seed=3)
    trained.fit(images, epochs=2)
    path = tmp_path / "model.pellucid"
    trained.save(path)
    loaded = Model.load(path)
    assert np.array_equal(loaded.predict(images.x), trained.predict(images.x))
    assert np.array_equal(loaded.parameters, trained.parameters)
    assert loaded.evaluate(images) == trained.evaluate(images)
    assert loaded.config() == trained.config()
    for name in ("network", "loss", "optimizer", "metrics", "classes", "input_stage", "input_shape", "seed"):
        assert getattr(loaded, name) == getattr(trained, name), name
    assert loaded.input_stage is not None
    with pytest.raises(DataError, match="trained on uint8"):
        loaded.predict(images.x / 255)
    loaded.save(tmp_path / "again.pellucid")
    assert path.read_bytes() == (tmp_path / "again.pellucid").read_bytes()


@dataclass(frozen=True)
class Scale(Layer):
    """y = s x, with a factor s for each feature."""

    def build(self, shape):
        return LayerSpec(shape, {"s": Slot(shape, Normal(1.0))})

    def forward(self, p, x, ctx):
        ctx.keep(x)
        return x * p.s

    def backward(self, p, g, dy, ctx):
        (x,) = ctx.kept
        g.s = (x * dy).sum(axis=0)
        return dy * p.s


def test_a_file_with_16_bits_holds_the_rounded_values(images, tmp_path):
    model, path = new_model(seed=3), tmp_path / "model.pellucid"
    model.fit(images, epochs=1)
    model.save(path, dtype="float16")
    loaded = Model.load(path)
    assert loaded.parameters.dtype == np.float32
    np.testing.assert_array_equal(loaded.weights["dense1.W"], model.weights["dense1.W"].astype(np.float16))
    np.testing.assert_allclose(loaded.predict(images.x), model.predict(images.x), atol=0.01)
    model.save(tmp_path / "whole.pellucid", dtype="float32")
    assert path.stat().st_size < 0.65 * (tmp_path / "whole.pellucid").stat().st_size
    loaded.save(tmp_path / "again.pellucid", dtype="float16")
    assert (tmp_path / "again.pellucid").read_bytes() == path.read_bytes()
    model.weights["dense1.W"][0, 0] = 7e4
    with pytest.raises(ConfigError, match=r"dense1\.W has values up to 7e\+04"):
        model.save(path, dtype="float16")
    with pytest.raises(ConfigError, match="float16 or float32"):
        model.save(path, dtype="int8")


def test_custom_layers_are_passed_as_an_argument(tmp_path):
    path = tmp_path / "scale.pellucid"
    model = Sequential(Scale(), Dense(2), Softmax()).compile((3,), CrossEntropy())
    x = np.random.default_rng(0).normal(size=(20, 3))
    model.fit(x, np.arange(20) % 2)
    model.save(path)
    assert np.array_equal(Model.load(path, custom_classes=[Scale]).predict(x), model.predict(x))
    with pytest.raises(ConfigError, match=rf"unknown class '{__name__}:Scale'.*classes=\[Scale\]"):
        Model.load(path)
    assert "Scale" not in registered_classes(Layer)


def stage(columns, *targets):
    """Return the JSON form of the input stage of a table with some columns, or of a series with these ``targets``."""
    plain = Standardization(tuple(Column(f"c{i}") for i in range(columns)), (0.0,) * columns, (1.0,) * columns)
    return to_json(plain) | {"series": to_json(SeriesLayout(targets, 1)) if targets else None}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"network": {"class": "Densse", "units": 3}}, ConfigError, "unknown class 'Densse'.*did you mean 'Dense'"),
        ({"network": {"class": "Dense", "unit": 3}}, ConfigError, "no setting 'unit'.*did you mean 'units'"),
        ({"network": {"class": "SGD"}}, ConfigError, "expected a Layer"),
        ({"input_shape": [6]}, CheckpointError, r"dense1.W should be \(6, 8\), is \(5, 8\)"),
        ({"input_shape": [10**9]}, CheckpointError, "its arrays do not fit its network"),
        ({"input_shape": [5, [[255]], 3]}, FileError, r"changed.pellucid: Model\(input_shape=.*must be an integer, not list"),
        ({"input_shape": [5, "9"]}, FileError, r"changed.pellucid: Model\(input_shape=.*must be an integer, not str"),
        ({"input_shape": [5] * 31}, FileError, r"changed.pellucid: input_shape is the shape of one sample"),
        ({"input_shape": {"a": [5]}}, FileError, r"changed.pellucid: input_shape is a dictionary"),
        ({"input_stage": stage(2)}, ConfigError, r"changed.pellucid: the input stage is for 2 values.*shape \(5,\)"),
        ({"input_stage": {"a": stage(5)}}, ConfigError, r"changed.pellucid: input_stage is a dictionary"),
        ({"input_stage": stage(5, "level")}, ConfigError, "the series has no column 'level'"),
        ({"training_state": True, "optimizer": {"class": "Adam"}}, CheckpointError, "training state.*Adam"),
        ({"format": 2, "needs": "0.7"}, FileError, r"newer version.*reads format 1. It needs Pellucid 0.7 or later: update"),
        ({"format": 2, "needs": None}, FileError, "newer version.*It needs a newer Pellucid: update with pip"),
        ({"format": 2, "needs": {"class": "Dense"}}, FileError, "It needs a newer Pellucid: update with pip"),
        ({"format": True}, FileError, "the format True, which is none of Pellucid's"),
        ({"format": 0}, FileError, "the format 0, which is none of Pellucid's"),
        ({"format": None}, FileError, "the format None, which is none of Pellucid's"),
        ({"loss": 5}, ConfigError, "expected a Loss"),
        ({"metrics": None}, ConfigError, "metrics must be a list or tuple, not NoneType"),
        ({"metrics": 5}, ConfigError, "expected a Metric"),
        ({"loss": None, "metrics": None}, ConfigError, "metrics must be a list or tuple, not NoneType"),
        ({"optimizer": {"class": "LBFGS", "memory": 10**9}}, ConfigError, "memory must be at least 1 and at most 1,000"),
        ({"seed": "x"}, ConfigError, "seed must be an integer"),
        ({"classes": ["a"]}, ConfigError, "1 class names for 3 outputs"),
        ({"classes": 0.5}, ConfigError, "classes must be a list of names, one for each output, got 0.5"),
        ({"classes": "abc"}, ConfigError, "classes must be a list of names, one for each output, got 'abc'"),
        ({"steps": "many"}, FileError, "lacks settings"),
    ],
)
def test_settings_that_do_not_fit_raise(tmp_path, change, error, message):
    small = Sequential(Dense(8), ReLU(), Dense(3), Softmax()).compile((5,), CrossEntropy(), SGD(0.1))
    small.save(tmp_path / "whole.pellucid")
    file = TensorFile(tmp_path / "whole.pellucid")
    save_tensors(tmp_path / "changed.pellucid", {**file.settings, **change}, file.arrays())
    with pytest.raises(error, match=message):
        Model.load(tmp_path / "changed.pellucid")


def test_a_file_names_the_version_that_it_needs(tmp_path):
    new_model().save(tmp_path / "new")
    settings = TensorFile(tmp_path / "new").settings
    assert (settings["format"], settings["needs"]) == (FORMAT, NEEDS)
    arrays = TensorFile(tmp_path / "new").arrays()
    save_tensors(tmp_path / "old", {name: value for name, value in settings.items() if name != "needs"}, arrays)
    Model.load(tmp_path / "old")


def test_files_with_an_epsilon_that_is_not_allowed_any_more_have_the_least_one(tmp_path):
    network = Sequential(Dense(8), ReLU(), Dense(3), Softmax())
    for optimizer in (Adam(0.1, epsilon=1e-9), Chain(L2(0.1), RMSprop(epsilon=1e-9)), Chain(Adadelta(epsilon=1e-20))):
        network.compile((5,), CrossEntropy(), optimizer).save(tmp_path / "new")
        file = TensorFile(tmp_path / "new")
        old = json.loads(json.dumps(file.settings).replace("1e-09", "1e-20"))
        assert old != file.settings or optimizer == Chain(Adadelta(epsilon=1e-20))
        save_tensors(tmp_path / "old", old, file.arrays())
        read = json.loads(json.dumps(to_json(optimizer)).replace("1e-09", "1e-12"))
        assert to_json(Model.load(tmp_path / "old").optimizer) == read


def test_training_continues_from_a_file_with_the_same_bits(images, tmp_path):
    whole, half = new_model(4), new_model(4)
    whole.fit(images, epochs=4, batch_size=30)
    half.fit(images, epochs=2, batch_size=30)
    half.save(tmp_path / "state", training_state=True)
    half.save(tmp_path / "parameters")
    resumed = Model.load(tmp_path / "state")
    history = resumed.fit(images, epochs=2, batch_size=30)
    assert np.array_equal(resumed.parameters, whole.parameters)
    assert history["train_loss"] == whole.history["train_loss"][2:]
    without = Model.load(tmp_path / "parameters")
    without.fit(images, epochs=2, batch_size=30)
    assert not np.array_equal(without.parameters, whole.parameters), "without the moments of Adam the training is another one"
