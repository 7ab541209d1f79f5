"""Commands and models with several inputs or outputs: export works, the others refuse them in one line."""

from __future__ import annotations

import pytest

from pellucid import CrossEntropy, Dense, Flatten, Graph, MeanSquaredError, Node, Sequential, Softmax
from pellucid.app.networks import _load
from pellucid.errors import ConfigError
from tests.cli.test_cli import cli

pytestmark = pytest.mark.usefixtures("mnist_folder")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    network = Graph(
        Node("digit", Sequential(Flatten(), Dense(10), Softmax()), "input"),
        Node("total", Sequential(Flatten(), Dense(1)), "input"),
        outputs=("digit", "total"),
    )
    path = tmp_path_factory.mktemp("several") / "several.pellucid"
    network.compile((28, 28, 1), {"digit": CrossEntropy(), "total": MeanSquaredError()}).save(path)
    return path


def test_commands_and_the_page_refuse_them(model_file, tmp_path):
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "model.pellucid").write_bytes(model_file.read_bytes())
    for command in (("predict", model_file, "x.png"), ("compare", tmp_path), ("evaluate", model_file, "mnist")):
        _, err = cli(*command, code=2)
        assert "needs a network with one input and one output; this one has 1 input and 2 outputs" in err
        assert err.count("\n") == 1
    with pytest.raises(ConfigError, match=r"the page for .* needs a network with one input and one output"):
        _load(model_file)


def test_export_verifies_them(model_file, tmp_path):
    out, _ = cli("export", model_file, "--numpy", tmp_path / "several.py", "--onnx", tmp_path / "several.onnx")
    assert out.count("largest difference from the model's outputs") == 2
