"""ONNX files with a cache: sequences that are read in several passes, with the past as inputs and outputs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from pellucid import (
    GELU,
    GRU,
    LSTM,
    Adam,
    Attention,
    BatchNorm,
    Bidirectional,
    Concatenate,
    ConfigError,
    Conv1D,
    CrossEntropy,
    DataError,
    Dense,
    Embedding,
    Flatten,
    Graph,
    LayerNorm,
    LearnedPositions,
    MeanSquaredError,
    Node,
    PReLU,
    ReLU,
    Residual,
    RMSNorm,
    Sequential,
    Shared,
    SimpleRNN,
    SinusoidalPositions,
    Softmax,
    SwiGLU,
    TiedEmbedding,
)
from pellucid.cli import application
from pellucid.data import text
from pellucid.data.input_stage import ImageScaling
from pellucid.data.tables.columns import Column, Standardization
from pellucid.export.onnx.exporter import onnx_bytes
from pellucid.export.verification import random_samples, run_onnx, run_onnx_in_passes
from pellucid.layers import Layer, LayerSpec
from pellucid.runs.language_models import GPT, NeuralProbabilisticLanguageModel, RecurrentLanguageModel, SmallTransformer
from tests.export.test_export import assert_close, session_of

TOKENS, WINDOW = 11, 8
PASSES = [[WINDOW], [1] * WINDOW, [3, 1, 1, WINDOW - 5]]


def language_model(*inner):
    return Sequential(Embedding(TOKENS, 6), *inner, Dense(TOKENS), Softmax())


def transformer(*positions, rotary=False):
    blocks = [
        Residual(RMSNorm(), Attention(2, causal=True, rotary=rotary)),
        Residual(LayerNorm(), Dense(9), GELU(), Dense(8)),
        Residual(LayerNorm(bias=False), Attention(4, causal=True, bias=False, dropout=0.1, rotary=rotary)),
    ]
    return Sequential(TiedEmbedding(TOKENS, 8, *positions, *blocks, LayerNorm()), Softmax())


NETWORKS = {
    "bigram": Sequential(Embedding(TOKENS, TOKENS), Softmax()),
    "mlp-lm": NeuralProbabilisticLanguageModel(reads=4, width=5, hidden=9)(TOKENS),
    "gru-lm": RecurrentLanguageModel(width=6, units=7)(TOKENS),
    "gpt-mini": SmallTransformer(blocks=2, heads=2, width=8)(TOKENS),
    "gpt": GPT(blocks=2, heads=2, width=8, dropout=0.1)(TOKENS),
    "learned positions": transformer(LearnedPositions()),
    "sinusoidal positions": transformer(SinusoidalPositions(100.0)),
    "rotary positions": transformer(rotary=True),
    "no positions": transformer(),
    "lstm": language_model(LSTM(7, return_sequences=True), LayerNorm(), PReLU(), LSTM(5, return_sequences=True)),
    "rnn": language_model(SimpleRNN(7, return_sequences=True, learn_state=True), BatchNorm(), SwiGLU(9)),
    "learned states": language_model(LSTM(7, return_sequences=True, learn_state=True), GRU(5, True, learn_state=True)),
    "last state": language_model(Conv1D(6, 1), GRU(7, learn_state=True)),
    "last state of an lstm": language_model(LSTM(7)),
    "convolutions": language_model(
        Conv1D(8, 3, padding="causal"), ReLU(), Conv1D(8, 2, padding="causal", dilation=3, groups=2, bias=False)
    ),
    "positions without attention": language_model(
        SinusoidalPositions(), GRU(6, return_sequences=True), LearnedPositions(), GRU(5, return_sequences=True)
    ),
    "masks": Sequential(
        Embedding(TOKENS, 6, padding=0),
        LSTM(7, True, mask=0.0),
        GRU(5, True, mask=0.0, learn_state=True),
        Dense(TOKENS),
        Softmax(),
    ),
    "last state with a mask": Sequential(Embedding(TOKENS, 6, padding=0), LSTM(7, mask=0.0), Dense(TOKENS), Softmax()),
    "shared layers": Sequential(
        Embedding(TOKENS, 6),
        Graph(
            Node("first", GRU(6, return_sequences=True), "input"),
            Node("second", Shared("first"), "first"),
            Node("heads", Attention(3, causal=True, rotary=True), "second"),
            Node("again", Shared("heads"), "heads"),
            Node("all", Concatenate(), "first", "second", "again"),
        ),
        Dense(TOKENS),
        Softmax(),
    ),
}


def model_of(network, shape=(WINDOW,), loss=None, **options):
    model = network.compile(shape, loss or CrossEntropy(), Adam(), **options)
    model.parameters[:] += 0.3 * np.sin(np.arange(model.parameters.size))  # no symmetry, and biases that count
    return model


def empty_past(session, n):
    """What the layers remember of n sequences that begin."""
    dtypes = {"tensor(float)": np.float32, "tensor(int64)": np.int64}
    shapes = {one.name: [n, *(0 if isinstance(k, str) else k for k in one.shape[1:])] for one in session.get_inputs()[1:]}
    return {one.name: np.zeros(shapes[one.name], dtypes[one.type]) for one in session.get_inputs()[1:]}


def read(session, tokens, past):
    """Return the outputs, and the past for the next pass: the outputs are in the order of the inputs."""
    y, *present = session.run(None, {session.get_inputs()[0].name: tokens} | past)
    return y, dict(zip(past, present, strict=True))


# -- the same outputs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_passes_of_any_lengths_give_the_outputs_of_a_full_pass(name, tmp_path):
    model, path = model_of(NETWORKS[name]), tmp_path / "net.onnx"
    model.export_onnx(path, cache=True)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    x = random_samples(model.network, None, (WINDOW,), 4, seed=1)
    x[0, 5:], x[1, :3], x[2] = 0, 0, 0  # masked at the end, at the beginning, everywhere
    model.export_onnx(tmp_path / "whole.onnx")
    assert_close(run_onnx(tmp_path / "whole.onnx", x), model.predict(x))
    for lengths in [*PASSES, None]:
        assert_close(run_onnx_in_passes(path, x, lengths), model.predict(x))
        assert_close(run_onnx_in_passes(path, x[1:2], lengths), model.predict(x[1:2]))


@pytest.mark.parametrize(
    ("network", "shape", "stage"),
    [
        (Sequential(LSTM(5, return_sequences=True), Dense(2)), (6, 3), None),
        (Sequential(Conv1D(4, 3, padding="causal"), Attention(2, causal=True), Dense(1)), (6, 4), ImageScaling()),
        (
            Sequential(GRU(5), Dense(2)),
            (6, 2),
            Standardization((Column("year"), Column("size")), (2_000_000.0, 0.25), (3.0, 1.0), missing="mean"),
        ),
    ],
    ids=["numbers", "rows of images", "standardized"],
)
def test_sequences_of_features_are_read_in_several_passes_too(network, shape, stage, tmp_path):
    model = model_of(network, shape, MeanSquaredError(), **({} if stage is None else {"input_stage": stage}))
    x = random_samples(network, model.input_stage, shape, 3)
    model.export_onnx(tmp_path / "net.onnx", cache=True)
    for lengths in ([6], [1] * 6, [2, 3, 1]):
        assert_close(run_onnx_in_passes(tmp_path / "net.onnx", x, lengths), model.predict(x))


def test_sequences_may_be_left_out_repeated_and_reordered_between_passes():
    x, rows = random_samples(NETWORKS["gpt"], None, (WINDOW,), 3), [2, 0, 0]
    for name in ("gpt", "lstm", "convolutions", "positions without attention"):
        model = model_of(NETWORKS[name])
        session = session_of(onnx_bytes(model._trained_network(), cache=True))
        _, past = read(session, x[:, :5], empty_past(session, 3))
        y, _ = read(session, x[rows, 5:], {part: array[rows] for part, array in past.items()})
        assert_close(y, model.predict(x[rows])[:, 5:])


def test_sequences_of_different_lengths_are_read_together_where_there_is_no_attention():
    model = model_of(NETWORKS["positions without attention"])
    session = session_of(onnx_bytes(model._trained_network(), cache=True))
    x, counts = random_samples(model.network, None, (WINDOW,), 2), (2, 5)
    alone = [read(session, x[i : i + 1, :count], empty_past(session, 1))[1] for i, count in enumerate(counts)]
    y, _ = read(
        session, np.stack([x[0, 2:4], x[1, 5:7]]), {name: np.concatenate([one[name] for one in alone]) for name in alone[0]}
    )
    expected = model.predict(x)
    assert_close(y, np.stack([expected[0, 2:4], expected[1, 5:7]]))


# -- the file ---------------------------------------------------------------------------------------------------------


def test_the_past_has_the_customary_names_and_free_lengths():
    model = model_of(NETWORKS["gpt"])
    session = session_of(onnx_bytes(model._trained_network(), cache=True))
    names = ["0.key", "0.value", "1.key", "1.value"]
    assert [(one.name, one.shape, one.type) for one in session.get_inputs()] == [
        ("input", ["batch", "time"], "tensor(int64)"),
        *((f"past_key_values.{name}", ["batch", 2, "past", 4], "tensor(float)") for name in names),
    ]
    assert [(one.name, one.shape) for one in session.get_outputs()] == [
        ("output", ["batch", "time", TOKENS]),
        *((f"present.{name}", ["batch", 2, "past + time", 4]) for name in names),
    ]
    assert session.get_modelmeta().custom_metadata_map["window"] == str(WINDOW)
    plain = session_of(onnx_bytes(model._trained_network()))
    assert [one.name for one in (*plain.get_inputs(), *plain.get_outputs())] == ["input", "output"]
    assert "window" not in plain.get_modelmeta().custom_metadata_map


def test_other_layers_have_their_paths():
    network = language_model(
        LearnedPositions(),
        Residual(LSTM(6, return_sequences=True)),
        Conv1D(4, 3, padding="causal"),
        GRU(5, return_sequences=True),
    )
    session = session_of(onnx_bytes(model_of(network)._trained_network(), cache=True))
    assert [(one.name, one.shape) for one in session.get_inputs()[1:]] == [
        ("past.length", ["batch"]),
        ("past.residual1.lstm1.h", ["batch", "past_state", 6]),
        ("past.residual1.lstm1.c", ["batch", "past_state", 6]),
        ("past.conv1d1.steps", ["batch", "past_steps", 6]),
        ("past.gru1.h", ["batch", "past_state", 5]),
    ]
    assert [(one.name, one.shape) for one in session.get_outputs()[1:]] == [
        ("present.length", ["batch"]),
        ("present.residual1.lstm1.h", ["batch", 1, 6]),
        ("present.residual1.lstm1.c", ["batch", 1, 6]),
        ("present.conv1d1.steps", ["batch", 2, 6]),
        ("present.gru1.h", ["batch", 1, 5]),
    ]


def test_equal_models_give_equal_files_with_a_cache():
    first, second = (onnx_bytes(model_of(NETWORKS["gpt"])._trained_network(), cache=True) for _ in range(2))
    assert first == second


# -- generation -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def writers():
    """Models that have learned a text, so that the most likely token is not a matter of rounding."""
    data = text.split_windows("the quick brown fox jumps over the lazy dog. " * 60, context=24)
    k = len(data.train.origin.tokens.tokenizer)
    networks = {
        "gpt": GPT(blocks=1, heads=2, width=16)(k),
        "gru": Sequential(Embedding(k, 8), GRU(24, return_sequences=True), Dense(k), Softmax()),
    }
    models = {}
    for name, network in networks.items():
        models[name] = model = network.compile((24,), CrossEntropy(), Adam(0.01))
        model.fit(data.train, epochs=1, batch_size=16, steps_per_epoch=60, progress=False)
    return models


@pytest.mark.parametrize("name", ["gpt", "gru"])
def test_onnx_runtime_writes_what_generate_writes(name, writers):
    model = writers[name]
    session = session_of(onnx_bytes(model._trained_network(), cache=True))
    prompts = ["the quick ", "jumps over", "lazy dog. "]
    tokens = np.array([model.tokenizer.encode(prompt) for prompt in prompts], np.int64)
    new, past, written = tokens, empty_past(session, len(prompts)), []
    for _ in range(14):
        y, past = read(session, new, past)
        new = y[:, -1:].argmax(axis=2)
        written.append(new)
    characters = json.loads(session.get_modelmeta().custom_metadata_map["vocabulary"])
    found = ["".join(characters[token] for token in row) for row in np.concatenate(written, axis=1)]
    steps = list(model.generate(prompts, length=14, temperature=0))
    assert found == ["".join(column) for column in zip(*steps, strict=True)]
    assert len(set(found)) == 3


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (language_model(Attention(2)), (WINDOW,), "attention1, Attention(heads=2), cannot go on"),
        (language_model(Bidirectional(GRU(4, return_sequences=True))), (WINDOW,), "bidirectional1.reversed, Reverse(), cannot"),
        (language_model(Flatten()), (WINDOW,), "flatten1, Flatten(), cannot go on"),
        (Sequential(LSTM(3, return_state=True)), (4, 2), "lstm1, LSTM(units=3, return_state=True), cannot go on"),
        (Sequential(Conv1D(3, 2)), (4, 2), "conv1d1, Conv1D(filters=3, kernel_size=2), cannot go on"),
        (Sequential(Dense(3)), (4,), "but this one reads samples of the shape (4,)"),
        (Sequential(Dense(3)), (4, 4, 1), "but this one reads samples of the shape (4, 4, 1)"),
        (
            Graph(Node("both", Concatenate(), "a", "b"), inputs=("a", "b")),
            {"a": (4, 1), "b": (4, 1)},
            "one input and one output",
        ),
    ],
    ids=["not causal", "both directions", "window", "state", "convolution", "vectors", "images", "two inputs"],
)
def test_networks_that_cannot_continue_are_refused_by_the_name_of_the_layer(network, shape, message, tmp_path):
    model = network.compile(shape)
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        model.export_onnx(tmp_path / "net.onnx", cache=True)
    assert str(error.value).startswith("export_onnx(cache=True)")
    assert "without a cache" in str(error.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["learned positions", "sinusoidal positions", "rotary positions", "no positions", "positions without attention"]
)
def test_a_past_beyond_the_window_is_refused(name, tmp_path):
    model, path = model_of(NETWORKS[name]), tmp_path / "net.onnx"
    model.export_onnx(path, cache=True)
    x = random_samples(model.network, None, (WINDOW + 1,), 2)
    with pytest.raises(DataError, match="reads windows of 8 positions, got sequences of 9: begin a new window"):
        run_onnx_in_passes(path, x)
    session = session_of(path.read_bytes())
    with pytest.raises(Exception, match="positions within the window of 8"):
        read(session, x, empty_past(session, 2))
    _, past = read(session, x[:, :WINDOW], empty_past(session, 2))
    with pytest.raises(Exception, match="positions within the window of 8"):
        read(session, x[:, WINDOW:], past)


@pytest.mark.parametrize("name", ["lstm", "convolutions"])
def test_states_and_convolutions_go_on_for_ever(name):
    model, longer = model_of(NETWORKS[name]), model_of(NETWORKS[name], (3 * WINDOW,))
    session = session_of(onnx_bytes(model._trained_network(), cache=True))
    x = random_samples(model.network, None, (3 * WINDOW,), 2)
    first, past = read(session, x[:, :20], empty_past(session, 2))
    second, _ = read(session, x[:, 20:], past)
    assert_close(np.concatenate([first, second], axis=1), longer.predict(x))


def test_files_without_a_cache_are_not_read_in_passes(tmp_path):
    model_of(NETWORKS["gpt"]).export_onnx(tmp_path / "net.onnx")
    with pytest.raises(ConfigError, match="export the model with cache=True"):
        run_onnx_in_passes(tmp_path / "net.onnx", np.zeros((1, 4), np.int64))


# -- your own layers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RunningSum(Layer):
    """y_s = Σ x_r over r ≤ s."""

    @property
    def continues(self):
        return True

    def build(self, shape):
        return LayerSpec(shape)

    def forward(self, p, x, ctx):
        return np.cumsum(x, axis=1)

    def backward(self, p, g, dy, ctx):
        raise NotImplementedError


def running_sum(graph, layer, p, x):
    total = graph.node("CumSum", graph.name_of(x), graph.constant("axis", 1))
    if graph.past is not None:
        before = graph.past.read("sum", ("past_sum", x.shape[1]), (1, x.shape[1]))  # (n, 0 or 1, features)
        zero = graph.node("ReduceSum", before, graph.constant("axes", [1]), keepdims=1)
        total = graph.node("Add", total, zero)
        last = [graph.constant(name, [value]) for name, value in (("last", -1), ("end", 2**62), ("axes", 1))]
        graph.past.keep("sum", graph.node("Slice", total, *last))
    return graph.value(total, x.shape)


def test_a_layer_of_your_own_remembers_what_its_function_keeps(tmp_path):
    model = model_of(language_model(RunningSum()))
    x = random_samples(model.network, None, (WINDOW,), 3)
    model.export_onnx(tmp_path / "net.onnx", cache=True, layers={RunningSum: running_sum})
    for lengths in PASSES:
        assert_close(run_onnx_in_passes(tmp_path / "net.onnx", x, lengths), model.predict(x))


def test_the_outputs_have_the_order_of_the_inputs():
    def keeps_in_another_order(graph, layer, p, x):
        if graph.past is not None:
            one, two = (graph.past.read(part, ("before", 6), ("after", 6)) for part in ("one", "two"))
            graph.past.keep("two", graph.node("Identity", two))
            graph.past.keep("one", graph.node("Identity", one))
        return running_sum(graph, layer, p, x)

    model = model_of(language_model(RunningSum()))
    session = session_of(onnx_bytes(model._trained_network(), {RunningSum: keeps_in_another_order}, cache=True))
    inputs, outputs = ([one.name for one in ends[1:]] for ends in (session.get_inputs(), session.get_outputs()))
    assert inputs == [f"past.runningsum1.{part}" for part in ("one", "two", "sum")]
    assert outputs == [f"present.runningsum1.{part}" for part in ("one", "two", "sum")]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda past: past.read("a", (2,), (2,)), "runningsum1.a is only read"),
        (lambda past: past.keep("a", "input"), "runningsum1.a is only kept"),
    ],
)
def test_what_is_read_must_be_kept(function, message):
    def half(graph, layer, p, x):
        function(graph.past)
        return running_sum(graph, layer, p, x)

    model = model_of(language_model(RunningSum()))
    with pytest.raises(ConfigError, match=message):
        onnx_bytes(model._trained_network(), {RunningSum: half}, cache=True)


def test_a_function_that_forgets_the_past_is_refused(tmp_path):
    def forgets(graph, layer, p, x):
        return graph.value(graph.node("CumSum", graph.name_of(x), graph.constant("axis", 1)), x.shape)

    model = model_of(language_model(RunningSum()))
    model.export_onnx(tmp_path / "whole.onnx", layers={RunningSum: forgets})
    with pytest.raises(ConfigError, match=re.escape("its ONNX function does not read them")):
        model.export_onnx(tmp_path / "net.onnx", cache=True, layers={RunningSum: forgets})


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_writes_a_file_with_a_cache_and_runs_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model_of(NETWORKS["gpt-mini"]).save("net.pellucid")
    done = CliRunner().invoke(application(), ["export", "net.pellucid", "--onnx", "net.onnx", "--cache"])
    assert done.exit_code == 0, done.output
    assert float(re.search(r"8 random samples: (\S+)$", done.output, re.MULTILINE)[1]) <= 1e-5
    assert "past_key_values.0.key" in [one.name for one in onnx.load("net.onnx").graph.input]
    refused = CliRunner().invoke(application(), ["export", "net.pellucid", "--numpy", "net.py", "--cache"])
    assert refused.exit_code == 2
    assert "--cache is for ONNX files: add --onnx FILE" in refused.output
    assert not (tmp_path / "net.py").exists()
