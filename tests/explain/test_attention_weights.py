"""Weights of attention: with the values, they give the outputs that the kernels compute."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    GRU,
    Attention,
    BinaryCrossEntropy,
    ConfigError,
    CrossAttention,
    CrossEntropy,
    DataError,
    Dense,
    Embedding,
    Ensemble,
    Flatten,
    Graph,
    LayerNorm,
    LearnedPositions,
    MaxPool1D,
    MeanSquaredError,
    Node,
    Residual,
    Sequential,
    Sigmoid,
    Softmax,
    TiedEmbedding,
)
from pellucid.data.text import CharacterTokenizer
from pellucid.data.text.stage import Tokens
from pellucid.explain import attention_weights
from pellucid.model.activations import activations


def random_model(network, shape, loss=None, **options):
    """A compiled model whose parameters are all random, the biases and the last layers too."""
    model = network.compile(shape, loss or CrossEntropy(), **options)
    model.state.parameters[...] = np.random.default_rng(1).normal(0, 0.4, model.state.parameters.shape)
    return model


def heads_of(x, heads):
    n, t, w = x.shape
    return x.reshape(n, t, heads, w // heads).swapaxes(1, 2)


@pytest.mark.parametrize(
    "layer",
    [
        Attention(1),
        Attention(2, causal=True),
        Attention(4, causal=True, rotary=True, bias=False),
        Attention(2, rotary=True),
        Attention(2, causal=True, dropout=0.5),
    ],
)
def test_weights_and_values_give_the_output(layer):
    model = random_model(Sequential(layer), (7, 8), MeanSquaredError())
    x = np.random.default_rng(0).normal(size=(3, 7, 8)).astype(np.float32)
    ((path, weights),) = attention_weights(model, x).items()
    assert path == "attention1"
    assert weights.shape == (3, layer.heads, 7, 7)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)
    if layer.causal:
        assert not weights[..., ~np.tri(7, dtype=bool)].any(), "no position reads a later one"
    p = {name.rpartition(".")[2]: array for name, array in model.weights.items()}
    v = x @ p["W"][:, 16:] + (p["b"][16:] if layer.bias else 0)
    o = (weights @ heads_of(v, layer.heads)).swapaxes(1, 2).reshape(x.shape)
    expected = o @ p["Wo"] + (p["bo"] if layer.bias else 0)
    np.testing.assert_allclose(expected, model.predict(x), atol=1e-5)


def test_cross_attention_reads_what_the_mask_leaves():
    network = Graph(Node("cross", CrossAttention(2), "target", "source", "mask"), inputs=("target", "source", "mask"))
    shapes = {"target": (3, 4), "source": (5, 6), "mask": (5,)}
    model = random_model(network, shapes, MeanSquaredError())
    random = np.random.default_rng(0)
    x = {name: random.normal(size=(2, *shape)).astype(np.float32) for name, shape in shapes.items()}
    x["mask"] = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 0]], np.float32)
    weights = attention_weights(model, x)["cross"]
    assert weights.shape == (2, 2, 3, 5)
    np.testing.assert_allclose(weights[0].sum(axis=-1), 1, atol=1e-6)
    assert not weights[0][..., [1, 4]].any()
    assert not weights[1].any(), "nothing but padding"
    p = {name.rpartition(".")[2]: array for name, array in model.weights.items()}
    v = x["source"] @ p["Wkv"][:, 4:] + p["bkv"][4:]
    o = (weights @ heads_of(v, 2)).swapaxes(1, 2).reshape(2, 3, 4)
    np.testing.assert_allclose(o @ p["Wo"] + p["bo"], model.predict(x), atol=1e-5)


def test_a_text_has_the_weights_of_its_characters_alone():
    stream = TiedEmbedding(4, 8, LearnedPositions(), Residual(LayerNorm(), Attention(2, causal=True)), LayerNorm())
    stage = Tokens(CharacterTokenizer("abcd"))
    model = random_model(Sequential(stream, Softmax()), (6,), input_stage=stage)
    before = model.state.parameters.copy()
    ((path, weights),) = attention_weights(model, "bad").items()
    assert (path, weights.shape) == ("tiedembedding1.residual1.attention1", (2, 3, 3))
    full = attention_weights(model, np.array([[1, 0, 3, 2, 2, 2]]))[path]
    np.testing.assert_allclose(weights, full[0, :, :3, :3], atol=1e-6)
    np.testing.assert_array_equal(weights, attention_weights(model, [1, 0, 3])[path])
    np.testing.assert_array_equal(before, model.state.parameters)
    x = activations(model, np.array([[1, 0, 3, 2, 2, 2]]))["tiedembedding1.residual1.layernorm1"]
    q, k = (x @ model.weights[f"{path}.W"][:, part] + model.weights[f"{path}.b"][part] for part in (slice(8), slice(8, 16)))
    scores = (q[0, 2, :4] @ k[0, :3, :4].T) / 2
    np.testing.assert_allclose(weights[0, 2], np.exp(scores) / np.exp(scores).sum(), atol=1e-5)
    with pytest.raises(DataError, match="is empty"):
        attention_weights(model, "")
    with pytest.raises(DataError, match="has 7 tokens, and the network reads 6 at once"):
        attention_weights(model, "abcabca")
    with pytest.raises(DataError, match="not in the vocabulary"):
        attention_weights(model, "xyz")


def classifier(*end, classes, **options):
    """A network with one answer for each text of up to 6 tokens."""
    layers = Embedding(5, 8), LearnedPositions(), Residual(LayerNorm(), Attention(2)), Flatten(), Dense(classes)
    return random_model(Sequential(*layers, *end), (6,), **options)


@pytest.mark.parametrize("end", ["softmax", "sigmoid"])
def test_a_short_text_of_a_classifier_has_the_weights_of_its_own_tokens(end):
    stage = Tokens(CharacterTokenizer("abcd"), padding=4)
    options = {"softmax": (Softmax(), 3, CrossEntropy()), "sigmoid": (Sigmoid(), 1, BinaryCrossEntropy())}
    layer, classes, loss = options[end]
    model = classifier(layer, classes=classes, loss=loss, input_stage=stage)
    ((path, weights),) = attention_weights(model, "dab").items()
    assert weights.shape == (2, 3, 3)
    full = attention_weights(model, np.array([[3, 0, 1, 4, 4, 4]]))[path]
    np.testing.assert_allclose(weights, full[0, :, :3, :3], atol=1e-6)
    assert (weights.sum(axis=-1) < 1).all(), "the padding is read, too"
    np.testing.assert_array_equal(weights, attention_weights(model, [3, 0, 1])[path])
    long = attention_weights(model, "dabcabcabc")[path]
    np.testing.assert_array_equal(long, attention_weights(model, "dabcab")[path], "predict reads the first tokens")
    assert long.shape == (2, 6, 6)


def test_a_window_that_is_filled_before_a_text_has_the_weights_of_the_text():
    model = classifier(Softmax(), classes=4, input_stage=Tokens(CharacterTokenizer("abc\n"), separator=3))
    ((path, weights),) = attention_weights(model, "ab").items()
    full = attention_weights(model, np.array([[3, 3, 3, 3, 0, 1]]))[path]
    np.testing.assert_allclose(weights, full[0, :, 3:, 3:], atol=1e-6)


def test_layers_of_other_lengths_are_returned_whole():
    short = Graph(
        Node("tokens", Embedding(5, 8), "input"),
        Node("few", MaxPool1D(2), "tokens"),
        Node("cross", CrossAttention(2), "few", "tokens"),
        Node("end", Sequential(Flatten(), Dense(4), Softmax()), "cross"),
    )
    model = random_model(short, (6,), input_stage=Tokens(CharacterTokenizer("abcd"), padding=4))
    assert attention_weights(model, "ab")["cross"].shape == (2, 3, 2)


def test_networks_without_attention_have_no_weights():
    network = Sequential(Embedding(5, 4), GRU(6, return_sequences=True), Dense(5), Softmax())
    assert attention_weights(network.compile((8,), CrossEntropy()), [0, 1]) == {}
    flat = Sequential(Dense(3), Softmax()).compile((4,), CrossEntropy())
    assert attention_weights(flat, np.zeros((2, 4), np.float32)) == {}
    with pytest.raises(ConfigError, match="one by one"):
        attention_weights(Ensemble([flat, flat]), np.zeros((2, 4), np.float32))
