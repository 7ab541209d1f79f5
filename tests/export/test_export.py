"""Export: ONNX files and programs compute what the model computes, for every layer and every preset."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from typer.testing import CliRunner

from pellucid import (
    GRU,
    LSTM,
    BatchNorm,
    BinaryCrossEntropy,
    Concatenate,
    ConfigError,
    Conv1D,
    Conv2D,
    Crop1D,
    Crop2D,
    CrossEntropy,
    Dense,
    DensePerPosition,
    Dropout,
    Embedding,
    FileError,
    Flatten,
    FromState,
    GaussianNLL,
    GlobalAveragePool2D,
    GlobalMaxPool1D,
    Graph,
    GroupNorm,
    LogSoftmax,
    MaxPool1D,
    MaxPool2D,
    MeanSquaredError,
    Merge,
    Node,
    Permute,
    Poisson,
    PReLU,
    ReLU,
    Residual,
    Reverse,
    Sequential,
    Sigmoid,
    SimpleRNN,
    Slice,
    Softmax,
    UpSample1D,
    UpSample2D,
    ZeroPad1D,
    ZeroPad2D,
    kernels as kernel_sets,
)
from pellucid.cli import application
from pellucid.core.config import registered_classes
from pellucid.core.memory import Slot
from pellucid.data.input_stage import ImageScaling, InputStage, Passthrough, Scaling
from pellucid.data.tables.columns import Column, Standardization
from pellucid.data.tables.robust_scaling import CONSTANT, RobustScaling
from pellucid.data.text import CharacterTokenizer, Tokens
from pellucid.export.layers import LAYERS
from pellucid.export.numpy_program.exporter import to_numpy
from pellucid.export.numpy_program.program import generate_program
from pellucid.export.numpy_program.python_source import comment
from pellucid.export.onnx.exporter import onnx_bytes, to_onnx
from pellucid.export.trained_network import TrainedNetwork
from pellucid.export.verification import random_samples
from pellucid.initializers import GlorotUniform, Initializer, Ones, initial_values
from pellucid.layers import Add, Layer, LayerSpec, Recurrent
from pellucid.networks import Composite, primitives
from pellucid.runs.presets import CLASSIFIERS, PRESETS
from pellucid.testing import asymmetric, layouts, run_layer
from tests.layers.test_layers import INSTANCES

REFERENCE = kernel_sets.load("reference")
BOUND = 1e-5  # absolute up to a magnitude of 1, relative above it


def session_of(content: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run_session(content: bytes, x: np.ndarray) -> np.ndarray:
    return session_of(content).run(["output"], {"input": x})[0]


def assert_close(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == np.float32
    assert np.abs(actual - expected).max(initial=0) <= BOUND * max(1, np.abs(expected).max(initial=0))


def trained_layer(layer: Layer, shape: tuple[int, ...]):
    """Return the layer with random parameters and running statistics, and a function that computes its outputs."""
    params, running = layouts(layer, shape)
    theta = initial_values(params, 0)
    for path in params:  # biases are initialized with 0
        params.array(theta, path)[...] += 0.1 * asymmetric(params[path].shape, 1)
    state = {path: np.abs(asymmetric(slot.shape, 2)).astype(np.float32) for path, slot in running.items()}

    def predict(x):
        return run_layer(layer, x, theta=theta, state=state, training=False, kernels=REFERENCE).y

    return TrainedNetwork(layer, shape, params.arrays(theta) | state), predict


def small_model(network=None, **options):
    network = network or Sequential(Flatten(), Dense(6), ReLU(), Dropout(0.3), Dense(3), Softmax())
    return network.compile((4, 4, 1), CrossEntropy(), **{"input_stage": ImageScaling(), **options})


def random_images(shape: tuple[int, ...], n: int) -> np.ndarray:
    return random_samples(Flatten(), ImageScaling(), shape, n)


def load_program(path: Path):
    """Run a program file and return its global variables."""
    return runpy.run_path(str(path))


# -- every layer class ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layer", "shape"), INSTANCES, ids=repr)
def test_every_layer_computes_the_same_after_export(layer, shape, tmp_path):
    trained, predict = trained_layer(layer, shape)
    session = session_of(onnx_bytes(trained))
    to_numpy(tmp_path / "net.py", trained)
    predict_exported = load_program(tmp_path / "net.py")["predict"]
    # Without samples, ONNX Runtime's LSTM ends the process, and up to version 1.31 a product for each position fails.
    runtime = tuple(int(part) for part in onnxruntime.__version__.split(".")[:2])
    needing_samples = (FromState, Recurrent) if runtime > (1, 31) else (FromState, Recurrent, DensePerPosition)
    empty = not any(isinstance(one, needing_samples) for _, one in primitives(layer))
    for n in (5, 1, 0):
        x = random_samples(layer, None, shape, n)
        assert_close(predict_exported(x), predict(x.astype(np.float32)))
        if n or empty:
            assert_close(session.run(["output"], {"input": x})[0], predict(x.astype(np.float32)))


def test_every_layer_class_has_a_row_in_the_table():
    all_classes = registered_classes(Layer) | registered_classes(Merge)
    classes = {kind for kind in all_classes.values() if not issubclass(kind, Composite)}
    assert classes == set(LAYERS)
    for row in LAYERS.values():
        assert all(callable(getattr(row, field.name)) for field in dataclasses.fields(row)), "a row has all formats"
    tested = {type(part) for layer, _ in INSTANCES for _, part in primitives(layer)}
    assert classes <= tested, "the export of a class without an instance is not tested"


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_every_preset(name, tmp_path):
    model = CLASSIFIERS[name].network(10).compile((28, 28, 1), CrossEntropy(), input_stage=ImageScaling())
    for path, array in model.state.statistics_layout.arrays(model.state.statistics).items():
        array[...] = 0.5 + np.abs(asymmetric(array.shape, len(path)))
    x = random_images((28, 28, 1), 3)
    model.export_onnx(tmp_path / "net.onnx")
    assert_close(run_session((tmp_path / "net.onnx").read_bytes(), x), model.predict(x))
    model.export_numpy(tmp_path / "net.py")
    assert_close(load_program(tmp_path / "net.py")["predict"](x), model.predict(x))


# -- inputs and outputs ---------------------------------------------------------------------------------------


def test_every_input_stage_is_exported(tmp_path):
    stages = {
        ImageScaling: ImageScaling(),
        Passthrough: Passthrough(),
        Scaling: Scaling(0.25),
        Standardization: Standardization((Column("a"),), (2.0,), (3.0,)),
        RobustScaling: RobustScaling((Column("a"),), (2.0,), (3.0,)),
        Tokens: Tokens(CharacterTokenizer("ab")),
    }
    assert set(stages.values()) == {stages[kind] for kind in registered_classes(InputStage).values()}
    for stage in stages.values():
        first = [Embedding(2, 3), Flatten()] if isinstance(stage, Tokens) else []
        model = Sequential(*first, Dense(2)).compile((1,), MeanSquaredError(), input_stage=stage)
        x = random_samples(model.network, stage, (1,), 4)
        assert_close(run_session(onnx_bytes(model._trained_network()), x), model.predict(x))
        model.export_numpy(tmp_path / "net.py")
        assert_close(load_program(tmp_path / "net.py")["predict"](x), model.predict(x))


def test_token_indices_are_integers(tmp_path):
    words = Sequential(Embedding(5, 3), Flatten(), Dense(2)).compile((4,), MeanSquaredError())
    x = np.random.default_rng(0).integers(0, 5, (3, 4))
    session = session_of(onnx_bytes(words._trained_network()))
    assert session.get_inputs()[0].type == "tensor(int64)"
    assert_close(session.run(["output"], {"input": x})[0], words.predict(x))
    words.export_numpy(tmp_path / "words.py")
    for wrong in (x + 0.5, x - 5, x + 5):
        with pytest.raises(ValueError, match="integers from 0 to 4"):
            load_program(tmp_path / "words.py")["predict"](wrong)


@pytest.mark.parametrize("loss", [GaussianNLL(), Poisson()], ids=repr)
def test_exports_compute_what_predict_returns_whatever_the_metrics_see(loss, tmp_path):
    model = Sequential(Dense(4)).compile((3,), loss, input_stage=Passthrough())
    x = random_samples(model.network, model.input_stage, (3,), 5)
    assert_close(run_session(onnx_bytes(model._trained_network()), x), model.predict(x))
    model.export_numpy(tmp_path / "net.py")
    assert_close(load_program(tmp_path / "net.py")["predict"](x), model.predict(x))


def test_both_formats_standardize_tables(tmp_path):
    columns = (Column("year"), Column('size"""', ("a", "b")))
    stage = Standardization(columns, (2_000_000.0, 0.25, 0.75), (3.0, 1.0, 1.0), missing="mean")
    model = Sequential(Dense(4), ReLU(), Dense(2)).compile((3,), MeanSquaredError(), input_stage=stage)
    x = random_samples(model.network, stage, (3,), 5)
    x[1, 0] = x[2, 2] = np.nan
    model.export_onnx(tmp_path / "table.onnx")
    session = session_of((tmp_path / "table.onnx").read_bytes())
    assert_close(session.run(["output"], {"input": x})[0], model.predict(x))
    assert json.loads(session.get_modelmeta().custom_metadata_map["columns"]) == list(stage.names)
    model.export_numpy(tmp_path / "table.py")
    program = load_program(tmp_path / "table.py")
    assert_close(program["predict"](x), model.predict(x))
    assert program["COLUMNS"] == stage.names
    assert "x = np.zeros((5, 3), np.float64)" in (tmp_path / "table.py").read_text()  # float32 would round the column year


def test_both_formats_scale_tables_robustly(tmp_path):
    columns = (Column("year", missing=True), Column("size", ("a", "b", "c"), coded=True), Column("same"))
    stage = RobustScaling(columns, (2_000_000.0, 0.0, 0.0, 5.0), (3.0, 1.0, 1.0, CONSTANT))
    model = Sequential(Dense(4), ReLU(), Dense(2)).compile((4,), MeanSquaredError(), input_stage=stage)
    x = random_samples(model.network, stage, (4,), 50)
    assert set(x[:, 2]) == {0, 1, 2, 3}
    x[1, 0], x[2, 3], x[3, 0] = np.nan, 7, 1e9  # a gap, another value in a constant column, an outlier
    wanted = model.predict(x)
    model.export_onnx(tmp_path / "table.onnx")
    assert_close(session_of((tmp_path / "table.onnx").read_bytes()).run(["output"], {"input": x})[0], wanted)
    model.export_numpy(tmp_path / "table.py")
    program = load_program(tmp_path / "table.py")
    assert_close(program["predict"](x), wanted)
    x[0, 0] = np.inf
    for predict in (program["predict"], model.predict):
        with pytest.raises(ValueError, match="infinity"):
            predict(x)


def test_an_onnx_file_describes_itself():
    content = onnx_bytes(TrainedNetwork(Sequential(Flatten()), (2, 2, 1), {}, ImageScaling(), ("no", 'yes "é"', "a", "b")))
    model, session = onnx.load_from_string(content), session_of(content)
    metadata = session.get_modelmeta()
    assert json.loads(metadata.custom_metadata_map["classes"]) == ["no", 'yes "é"', "a", "b"]
    assert metadata.producer_name == "pellucid"
    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [("input", ["batch", 2, 2, 1], "tensor(uint8)")]
    assert [(one.name, one.shape, one.type) for one in session.get_outputs()] == [("output", ["batch", 4], "tensor(float)")]
    assert "uint8 images" in model.graph.input[0].doc_string
    assert [(one.domain, one.version) for one in model.opset_import] == [("", 17)]
    assert model.ir_version == 8


def operators(layer: Layer, shape: tuple[int, ...]) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(onnx_bytes(trained_layer(layer, shape)[0])).graph.node]


def test_images_are_transposed_once_at_the_input_and_once_at_the_output():
    block = Residual(Conv2D(3, 3, padding="same"), ReLU(), Conv2D(3, 1))
    network = Sequential(Conv2D(3, 3), ReLU(), block, Dropout(0.5), ReLU(), MaxPool2D(), Flatten(), Dense(2), Softmax())
    assert operators(network, (8, 8, 2)) == [
        *("Transpose", "Conv", "Relu", "Conv", "Relu", "Conv", "Add", "Relu", "MaxPool", "Transpose", "Flatten", "Gemm"),
        "Softmax",
    ]
    assert operators(Sequential(Conv2D(3, 3), GlobalAveragePool2D()), (4, 4, 1)).count("Transpose") == 1
    assert operators(Sequential(Dense(2), Softmax()), (4,)) == ["Gemm", "Softmax"]


def test_sequences_are_transposed_as_rarely_as_images():
    network = Sequential(Conv1D(3, 3), ReLU(), UpSample1D(), MaxPool1D(), Conv1D(2, 1), GlobalMaxPool1D(), Dense(2))
    assert operators(network, (8, 2)) == [
        *("Transpose", "Conv", "Relu", "Resize", "MaxPool", "Conv", "GlobalMaxPool", "Flatten", "Gemm")
    ]
    assert operators(Sequential(Permute((1, 0)), Conv1D(2, 1), Permute((1, 0))), (3, 4)) == ["Conv"]


def test_layers_with_an_axis_work_in_every_layout():
    branches = [Node(name, Conv2D(2, 1), "input") for name in ("a", "b")]
    joined = [Node(f"joined{axis}", Concatenate(axis), "a", "b", "a") for axis in (0, 1, -1)]
    flat = [Node(f"flat{axis}", Flatten(), f"joined{axis}") for axis in (0, 1, -1)]
    layers = [
        Sequential(Conv2D(3, 1), Softmax(), PReLU(), LogSoftmax(), Reverse(), ZeroPad2D(((1, 0), (0, 2))), BatchNorm()),
        Sequential(LSTM(3, return_sequences=True), Softmax(), BatchNorm(), Reverse(), PReLU(), GroupNorm(3), GRU(2)),
        Graph(*branches, *joined, *flat, Node("all", Concatenate(), "flat0", "flat1", "flat-1")),
        Sequential(Conv1D(3, 1), Crop1D((1, 0)), ZeroPad1D(), BatchNorm(), Softmax(), Permute((1, 0)), UpSample1D(), PReLU()),
        Sequential(LSTM(3, return_sequences=True), Permute((1, 0)), Slice(1, axis=0), MaxPool1D(), GRU(2)),
        Sequential(Conv2D(3, 1), Crop2D(((0, 1), (1, 0))), Permute((2, 0, 1)), Slice(1, axis=0), UpSample2D(2, "bilinear")),
    ]
    shapes = [(2, 4, 2), (4, 2), (2, 4, 2), (4, 2), (4, 2), (3, 4, 2)]
    for layer, shape in zip(layers, shapes, strict=True):
        trained, predict = trained_layer(layer, shape)
        x = asymmetric((3, *shape)).astype(np.float32)
        assert_close(run_session(onnx_bytes(trained), x), predict(x))


def test_any_node_name_can_be_exported(tmp_path):
    names = ["x", "p", "np", "dense", "output", "network", "lambda", "été", "ete", "a-b", "a_b", "1"]
    nodes = [Node(name, Dense(2), "input") for name in names]
    layer = Graph(*nodes, Node("sum", Add(), *names, "input"), Node("stage", Dropout(), "sum"))
    trained, predict = trained_layer(layer, (2,))
    x = asymmetric((3, 2)).astype(np.float32)
    assert_close(run_session(onnx_bytes(trained), x), predict(x))
    to_numpy(tmp_path / "net.py", trained)
    assert_close(load_program(tmp_path / "net.py")["predict"](x), predict(x))


@pytest.mark.parametrize("kind", [SimpleRNN, LSTM, GRU])
@pytest.mark.parametrize("mask", [None, 0.0])
def test_recurrent_layers_export_their_states(kind, mask, tmp_path):
    x = asymmetric((3, 4, 2)).astype(np.float32)
    x[0, 2:], x[1] = 0, 0
    parts = 2 if kind is LSTM else 1
    for sequences in (False, True):
        layer = kind(2, sequences, mask, return_state=True)
        networks = (
            dataclasses.replace(layer, learn_state=True, recurrent_dropout=0.5),
            Graph(
                Node("state", Sequential(Flatten(), Dense(2 * parts)), "input"),  # one vector
                Node("first", FromState(kind(2, return_state=True)), "input", "state"),
                Node("second", FromState(layer), "input", "first"),  # h and c as rows
            ),
        )
        for network in networks:
            trained, predict = trained_layer(network, (4, 2))
            if "c0" in trained.arrays:
                trained.arrays["c0"][...] = 0.5, -0.7  # not the values of h0
            assert_close(run_session(onnx_bytes(trained), x), predict(x))
            to_numpy(tmp_path / "net.py", trained)
            assert_close(load_program(tmp_path / "net.py")["predict"](x), predict(x))


def test_states_are_inputs_and_outputs_of_the_recurrent_operators():
    network = Graph(
        Node("encoder", LSTM(2, return_state=True), "input"), Node("decoder", FromState(LSTM(2)), "input", "encoder")
    )
    encoder, decoder = (
        node
        for node in onnx.load_from_string(onnx_bytes(trained_layer(network, (4, 2))[0])).graph.node
        if node.op_type == "LSTM"
    )
    assert (len(encoder.input), len(encoder.output)) == (4, 3)  # Y, Y_h and Y_c
    assert (len(decoder.input), len(decoder.output)) == (7, 2)  # with sequence_lens, initial_h and initial_c
    assert decoder.input[4] == ""


@dataclass(frozen=True)
class ShiftedRNN(Recurrent):
    """A recurrent layer that is not in the table of exporters: a SimpleRNN whose bias is b + 1."""

    units: int
    return_sequences: bool = False
    mask: float | None = None
    init: Initializer = GlorotUniform()  # noqa: RUF009  # frozen, so it may be shared
    recurrent_init: Initializer = GlorotUniform()  # noqa: RUF009
    return_state: bool = False
    learn_state: bool = False
    recurrent_dropout: float = 0.0

    def cell(self):
        return "rnn", 1, 1

    def biases(self):
        return SimpleRNN(self.units).biases()

    def stack(self, p, V, b):
        SimpleRNN(self.units).stack(p, V, b)
        b += 1

    def unstack(self, g, dV, db):
        SimpleRNN(self.units).unstack(g, dV, db)


def test_a_recurrent_layer_without_a_row_is_refused_inside_from_state(tmp_path):
    start = Node("state", Sequential(Flatten(), Dense(2)), "input")
    network = Graph(start, Node("rnn", FromState(ShiftedRNN(2)), "input", "state"))
    trained, _ = trained_layer(network, (3, 1))
    for export in (onnx_bytes, lambda trained: to_numpy(tmp_path / "net.py", trained)):
        with pytest.raises(ConfigError, match=r"cannot write FromState with the layer ShiftedRNN; pass a function for it"):
            export(trained)


# -- programs ---------------------------------------------------------------------------------------------------------

HOSTILE = ('"""; import os; os.abort()', "'''\nraise SystemExit\n#", "\\", "\u202e\x00{x}\r\n", "naïve ☂ \ud83d", "'\"")


def test_programs_need_only_numpy(tmp_path):
    convolutional = small_model(Sequential(Conv2D(3, 2, padding="same"), ReLU(), Flatten(), Dense(3), Softmax()))
    dense, guess = small_model(classes=("a", "b", "c")), small_model(classes=HOSTILE[:3])
    pair = Sequential(Dense(1), Sigmoid()).compile((3,), BinaryCrossEntropy(), classes=("no", "yes"))
    x = {"conv": random_images((4, 4, 1), 4), "pair": random_samples(pair.network, None, (3,), 4)}
    x["dense"] = x["guess"] = x["conv"]
    models = {"conv": convolutional, "dense": dense, "guess": guess, "pair": pair}
    for name, model in models.items():
        model.export_numpy(tmp_path / f"{name}.py")
        np.save(tmp_path / f"{name}_x.npy", x[name])
    run = (
        "import sys; sys.path.insert(0, '.'); import numpy as np\n"
        f"for name in {list(models)}:\n"
        "    program = __import__(name)\n"
        "    np.save(f'{name}_y.npy', program.predict(np.load(f'{name}_x.npy')))\n"
        "    sys.argv = [name, f'{name}_x.npy']; program.main()\n"
        "tops = {name.split('.')[0] for name in sys.modules}\n"
        f"assert tops <= sys.stdlib_module_names | {{'__main__', 'numpy', *{list(models)}}}, tops - sys.stdlib_module_names\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", _with_numpy(run)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, model in models.items():
        assert_close(np.load(tmp_path / f"{name}_y.npy"), model.predict(x[name]))
    printed = [line.split()[0] for line in done.stdout.splitlines()[4:8]]
    assert printed == ["abc"[i] for i in dense.predict(x["dense"]).argmax(axis=1)]
    assert [line.split()[0] for line in done.stdout.splitlines()[-4:]] == [
        ("no", "yes")[int(y > 0.5)] for y in pair.predict(x["pair"])[:, 0]
    ]


def _with_numpy(program: str) -> str:
    """Return the program with NumPy's folder on its path, for an interpreter without site-packages.

    That folder may contain other packages; the program checks that none of them is imported.
    """
    return f"import sys; sys.path.append({str(Path(np.__file__).parent.parent)!r})\n{program}"


def test_class_names_can_contain_anything(tmp_path):
    model = Sequential(Dense(6), Softmax()).compile((3,), CrossEntropy(), classes=HOSTILE)
    model.export_numpy(tmp_path / "net.py")
    assert load_program(tmp_path / "net.py")["CLASSES"] == HOSTILE
    text = (tmp_path / "net.py").read_text(encoding="utf-8")
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    plain = Sequential(Dense(6), Softmax()).compile((3,), CrossEntropy(), classes=list("abcdef"))
    plain.export_numpy(tmp_path / "plain.py")

    def statements(path):
        return [type(node).__name__ for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]

    assert statements(tmp_path / "net.py") == statements(tmp_path / "plain.py")
    assert json.loads(_metadata(model)["classes"]) == list(HOSTILE)


def test_a_comment_is_always_one_line():
    assert comment("net: \u202eScale\n\x00\r\u2028\x0cimport os") == "# net: Scale import os"


def _metadata(model) -> dict[str, str]:
    return session_of(onnx_bytes(model._trained_network())).get_modelmeta().custom_metadata_map


def test_programs_are_formatted_and_run_on_python_3_9(tmp_path):
    for i, (layer, shape) in enumerate(INSTANCES):
        trained, _ = trained_layer(layer, shape)
        text, _ = generate_program(trained, f"net{i}")
        ast.parse(text, feature_version=(3, 9))
        (tmp_path / f"net{i}.py").write_text(text, encoding="utf-8")
    small_model(PRESETS["resnet-small"].network(3), classes=["a" * 40, "b" * 40, "c"]).export_numpy(tmp_path / "resnet.py")
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "."], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


def test_a_program_contains_only_the_functions_that_it_needs():
    text, _ = generate_program(small_model()._trained_network(), "net")
    assert re.findall(r"^def (\w+)", text, re.MULTILINE) == [
        *("check_shape", "scale_bytes", "relu", "softmax", "dense", "flatten", "predict", "network", "main"),
    ]
    assert "    # dense1: Dense(units=6) -> (n, 6)\n" in text


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4, 4), np.uint8), "shape"),
        (np.zeros((4, 4, 1), np.uint8), "shape"),
        (np.zeros((2, 4, 4, 1)), "bytes"),
        (np.full((2, 3), np.nan), "NaN"),
        (np.zeros((2, 3), np.uint8), "numbers as in training"),
        (np.full((2, 3), "a"), "numbers"),
    ],
)
def test_programs_reject_the_inputs_that_the_model_rejects(x, message, tmp_path):
    model = small_model() if x.ndim > 2 else Sequential(Dense(2)).compile((3,), MeanSquaredError())
    model.export_numpy(tmp_path / "net.py")
    with pytest.raises(ValueError, match=message):
        load_program(tmp_path / "net.py")["predict"](x)


# -- files ------------------------------------------------------------------------------------------------------------


def test_equal_models_give_equal_files(tmp_path):
    files = [], []
    for i, contents in enumerate(files):
        model = small_model()
        model.export_onnx(tmp_path / f"{i}.onnx")
        (tmp_path / str(i)).mkdir()
        model.export_numpy(tmp_path / str(i) / "net.py")
        contents += [
            (tmp_path / f"{i}.onnx").read_bytes(),
            *(path.read_bytes() for path in sorted((tmp_path / str(i)).iterdir())),
        ]
    assert len(files[0]) == 3
    assert files[0] == files[1]


def test_only_exports_are_replaced(tmp_path):
    model, path = small_model(), tmp_path / "net.py"
    path.write_text("print('my own work')\n", encoding="utf-8")
    with pytest.raises(FileError, match="exists and was not written by export_numpy"):
        model.export_numpy(path)
    assert path.read_text(encoding="utf-8") == "print('my own work')\n"
    assert list(tmp_path.iterdir()) == [path]
    path.unlink()
    path.with_suffix(".npz").write_bytes(b"my data")
    with pytest.raises(FileError, match=r"exists, but there is no program net\.py"):
        model.export_numpy(path)
    path.with_suffix(".npz").unlink()
    model.export_numpy(path)
    other = small_model(seed=1)
    other.export_numpy(path)
    x = random_images((4, 4, 1), 2)
    assert_close(load_program(path)["predict"](x), other.predict(x))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("net", "Python cannot import"),
        ("my-net.py", "Python cannot import"),
        ('a"""b.py', "Python cannot import"),
        ("class.py", "Python cannot import"),
        ("random.py", "would hide the module"),
        ("numpy.py", "would hide the module"),
    ],
)
def test_program_names_must_be_importable(name, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        small_model().export_numpy(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_without_the_package_onnx_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'pellucid[onnx]'")):
        small_model().export_onnx(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


# -- user-defined layers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaled(Layer):
    """y = x s + plus."""

    plus: float = 0.5

    def build(self, shape):
        return LayerSpec(shape, {"s": Slot(shape[-1:], Ones())})

    def forward(self, p, x, ctx):
        return x * p.s + np.float32(self.plus)

    def backward(self, p, g, dy, ctx):
        raise NotImplementedError


def scaled(x, s, plus):
    return x * s + np.float32(plus)


def scaled_operators(graph, layer, p, x):
    return graph.op("Add", graph.op("Mul", x, graph.constant("s", p["s"])), graph.constant("plus", layer.plus))


def test_user_defined_layers_are_exported_with_a_function(tmp_path):
    trained, predict = trained_layer(Sequential(Dense(3), Scaled(), Residual(Scaled(2.0))), (2,))
    x = asymmetric((3, 2)).astype(np.float32)
    assert_close(run_session(onnx_bytes(trained, {Scaled: scaled_operators}), x), predict(x))
    to_numpy(tmp_path / "net.py", trained, {Scaled: scaled})
    assert_close(load_program(tmp_path / "net.py")["predict"](x), predict(x))


def test_a_layer_class_without_a_function_is_an_error(tmp_path):
    trained, _ = trained_layer(Sequential(Dense(3), Scaled()), (2,))
    with pytest.raises(ConfigError, match=re.escape("export_onnx(path, layers={Scaled: function})")):
        to_onnx(tmp_path / "net.onnx", trained)
    with pytest.raises(ConfigError, match=re.escape("export_numpy(path, layers={Scaled: function})")):
        to_numpy(tmp_path / "net.py", trained)
    assert not list(tmp_path.iterdir())


def uses_a_global(x):
    return np.abs(x) * BOUND


def uses_a_global_as_default(x, factor=BOUND):
    return x * factor


def has_an_unknown_parameter(x, weight):
    return x * weight


def dense(x):
    return x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (uses_a_global, "BOUND from outside"),
        (uses_a_global_as_default, "BOUND from outside"),
        (has_an_unknown_parameter, "(… weight …)"),
        (dense, "already has a function named dense"),
        (lambda x: x, "define it with def"),
        (np.abs, "cannot be read"),
    ],
)
def test_functions_that_cannot_be_copied_into_a_program(function, message):
    trained, _ = trained_layer(Scaled(), (2,))
    with pytest.raises(ConfigError, match=re.escape(message)):
        generate_program(trained, "net", {Scaled: function})


def test_an_onnx_function_must_return_the_output_shape():
    trained, _ = trained_layer(Sequential(Dense(3), Scaled()), (2,))
    with pytest.raises(
        ConfigError, match=re.escape("returns a value of shape (1,) per sample, but the layer has the output shape (3,)")
    ):
        onnx_bytes(trained, {Scaled: lambda graph, layer, p, x: graph.op("Relu", x, shape=(1,))})


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_both_and_says_how_far_off_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small_model().save("net.pellucid")
    done = CliRunner().invoke(application(), ["export", "net.pellucid", "--onnx", "net.onnx", "--numpy", "net.py"])
    assert done.exit_code == 0, done.output
    both = re.findall(r"^(net\S+) .* 8 random samples: (\S+)$", done.output, re.MULTILINE)
    assert [name for name, _ in both] == ["net.onnx", "net.py"]
    assert all(float(away) <= BOUND for _, away in both)
    refused = CliRunner().invoke(application(), ["export", "net.pellucid"])
    assert refused.exit_code == 2
    assert "--onnx FILE" in refused.output
