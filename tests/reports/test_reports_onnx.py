"""Public reports about ONNX and ONNX Runtime: what users did, and what happens here."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pellucid import Adam, BatchNorm, Conv2D, CrossEntropy, Dense, Flatten, ReLU, Sequential, Softmax
from tests.reports.small_data import LABELS, X, classifier

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(path, x) -> np.ndarray:
    """The first output of an ONNX file, computed by ONNX Runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (outputs,) = session.run(None, {session.get_inputs()[0].name: x})
    return outputs


def test_batches_of_any_size(tmp_path):
    """A batch of 4: "Got invalid dimensions for input: data. index: 0 Got: 4 Expected: 1".

    Source: microsoft/onnxruntime#5577. Right: the number of samples is free, one and none included.
    """
    model = classifier()
    model.export_onnx(tmp_path / "model.onnx")
    for n in (1, 4, 61, 0):
        outputs = run(tmp_path / "model.onnx", X[:n])
        assert outputs.shape == (n, 2)
        assert np.allclose(outputs, model.predict(X[:n]), atol=1e-6)


def test_batch_normalization_after_training(tmp_path):
    """An exported network with batch normalization differs from the original, wildly if it was trained.

    Source: onnx/onnx#5590. Right: the file predicts what the trained model predicts.
    """
    images = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 1), np.uint8)
    network = Sequential(Conv2D(3, 3), BatchNorm(), ReLU(), Flatten(), Dense(4), BatchNorm(), Dense(2), Softmax())
    model = network.compile((6, 6, 1), CrossEntropy(), Adam(0.05), seed=0)
    model.fit(images, np.arange(40) % 2, batch_size=8, epochs=3)
    model.export_onnx(tmp_path / "model.onnx")
    expected = model.predict(images)
    assert expected.std() > 0.01
    assert np.allclose(run(tmp_path / "model.onnx", images), expected, atol=1e-5)


def test_a_runtime_that_is_older_than_the_package_onnx(tmp_path):
    """A file that a new onnx has written: "Unsupported model IR version: 10, max supported IR version: 9".

    Source: microsoft/onnxruntime#20559. Right: the format is that of 2022, whatever version of onnx is installed.
    """
    classifier().export_onnx(tmp_path / "model.onnx")
    model = onnx.load(tmp_path / "model.onnx")
    assert model.ir_version == 8
    assert [one.version for one in model.opset_import] == [17]


@pytest.mark.parametrize("dtype", ["uint8", "uint32", "int64", "U3"])
def test_labels_of_an_estimator_in_any_dtype(tmp_path, dtype):
    """A classifier that was trained on labels of uint32 cannot be converted: "'numpy.uint32' object has no attribute 'encode'".

    Source: onnx/sklearn-onnx#813. Right: it is exported, with its classes as text in the file.
    """
    pytest.importorskip("sklearn")
    from pellucid.sklearn import NetworkClassifier

    labels = (LABELS + 3).astype(dtype)
    estimator = NetworkClassifier(hidden=(6,), recipe="plain", epochs=2, random_state=0).fit(X, labels)
    estimator.model_.export_onnx(tmp_path / "model.onnx")
    properties = {one.key: one.value for one in onnx.load(tmp_path / "model.onnx").metadata_props}
    assert json.loads(properties["classes"]) == ["3", "4"]
    assert np.allclose(run(tmp_path / "model.onnx", X.astype(np.float64))[:, -1], estimator.predict_proba(X)[:, 1], atol=1e-6)


def test_numbers_of_64_bits(tmp_path):
    """Input of float64: "Unexpected input data type. Actual: (tensor(double)) , expected: (tensor(float))".

    Source: onnx/keras-onnx#323. Right: the file says which numbers it takes, in the dtype of its input and in words.
    """
    classifier().export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape) == ("input", "tensor(float)", ["batch", 4])
    assert "real numbers, (n, 4)" in session.get_modelmeta().custom_metadata_map["input"]
