"""The logit lens, and language models without some of their parts, against networks that are built that way."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import (
    GELU,
    GRU,
    Attention,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Embedding,
    Flatten,
    LayerNorm,
    LearnedPositions,
    Residual,
    Sequential,
    Softmax,
    TiedEmbedding,
)
from pellucid.data.text import CharacterTokenizer
from pellucid.data.text.stage import Tokens
from pellucid.explain import TokenReader, attention_weights, logit_lens, probabilities_without
from tests.explain.test_attention_weights import random_model

WIDTH, WINDOW, HEADS = 8, 10, 2
BLOCKS = [
    layers
    for _ in range(2)
    for layers in (
        Residual(LayerNorm(), Attention(HEADS, causal=True, bias=False)),
        Residual(LayerNorm(), Dense(12), GELU(), Dense(WIDTH)),
    )
]
TEXT = "cabbage"
STAGE = Tokens(CharacterTokenizer("abceg"))
INSIDE = "tiedembedding1."


def network(blocks=4):
    return Sequential(TiedEmbedding(5, WIDTH, LearnedPositions(), *BLOCKS[:blocks], LayerNorm()), Softmax())


@pytest.fixture
def model():
    return random_model(network(), (WINDOW,), input_stage=STAGE)


def test_the_lens_is_the_network_that_ends_after_a_block(model):
    lens = logit_lens(model, TEXT)
    assert list(lens) == [f"{INSIDE}learnedpositions1", *(f"{INSIDE}residual{i}" for i in range(1, 5))]
    for i, z in enumerate(lens.values()):
        shorter = random_model(network(i), (WINDOW,), input_stage=STAGE)
        for path, array in shorter.weights.items():
            array[...] = model.weights[path]
        np.testing.assert_allclose(z, shorter.predict(TEXT, logits=True), atol=1e-5)
    np.testing.assert_allclose(z, model.predict(TEXT, logits=True), atol=1e-5)


def test_a_network_with_a_dense_end_has_a_lens(model):
    layers = [Embedding(5, WIDTH), *BLOCKS[:2], Sequential(LayerNorm(), Dense(5))]
    plain = random_model(Sequential(*layers, Softmax()), (WINDOW,), input_stage=STAGE)
    lens = logit_lens(plain, TEXT)
    assert list(lens) == ["embedding1", "residual1", "residual2"]
    first = random_model(Sequential(layers[0], layers[-1], Softmax()), (WINDOW,), input_stage=STAGE)
    for path, array in first.weights.items():
        array[...] = plain.weights[path]
    np.testing.assert_allclose(lens["embedding1"], first.predict(TEXT, logits=True), atol=1e-5)
    np.testing.assert_allclose(lens["residual2"], plain.predict(TEXT, logits=True), atol=1e-5)


def test_without_a_head_its_rows_of_the_output_product_are_zero(model):
    path = f"{INSIDE}residual3.attention1"
    before = model.predict(TEXT)
    p = probabilities_without(model, TEXT, heads=[(path, 1)])
    np.testing.assert_array_equal(model.predict(TEXT), before)
    model.weights[f"{path}.Wo"][WIDTH // HEADS :] = 0
    assert abs(before - model.predict(TEXT)).max() > 0.01
    np.testing.assert_allclose(p, model.predict(TEXT), atol=1e-6)


@pytest.mark.parametrize("block", ["residual3", "residual4"])
def test_without_a_block_it_adds_nothing(model, block):
    p = probabilities_without(model, TEXT, blocks=[INSIDE + block])
    before = model.predict(TEXT)
    last = ("dense2.W", "dense2.b") if block == "residual4" else ("attention1.Wo",)
    for name in last:
        model.weights[f"{INSIDE}{block}.{name}"][...] = 0
    assert abs(before - model.predict(TEXT)).max() > 0.01
    np.testing.assert_allclose(p, model.predict(TEXT), atol=1e-6)


def test_without_a_block_the_shortcut_remains():
    layers = Embedding(5, 4), Residual(Dense(6), GELU(), shortcut=Dense(6)), Dense(5), Softmax()
    model = random_model(Sequential(*layers), (WINDOW,), input_stage=STAGE)
    p = probabilities_without(model, TEXT, blocks=["residual1"])
    shortcut = random_model(Sequential(layers[0], Dense(6), layers[2], Softmax()), (WINDOW,), input_stage=STAGE)
    for path, array in shortcut.weights.items():
        array[...] = model.weights[{"dense1": "residual1.shortcut", "dense2": "dense1"}.get(path[:6], path[:-2]) + path[-2:]]
    np.testing.assert_allclose(p, shortcut.predict(TEXT), atol=1e-6)
    assert list(logit_lens(model, TEXT)) == ["residual1"], "the stream before the block has another width"


def test_one_reader_reads_with_and_without_parts(model):
    reader = TokenReader(model)
    everything, head = reader.read(TEXT).probabilities, (f"{INSIDE}residual1.attention1", 0)
    without = reader.read(TEXT, heads_off=[head], blocks_off=[f"{INSIDE}residual4"])
    both = [(f"{INSIDE}residual1.attention1", i) for i in range(HEADS)]
    np.testing.assert_allclose(
        reader.read(TEXT, heads_off=both).probabilities,
        reader.read(TEXT, blocks_off=[f"{INSIDE}residual1"]).probabilities,
        atol=1e-6,
        err_msg="a block of attention without any head adds nothing",
    )
    np.testing.assert_array_equal(reader.read(TEXT).probabilities, everything)
    assert list(without.attention) == list(reader.attention), "the weights of a head that is off are known too"
    model.state.parameters[...] *= 0.5
    np.testing.assert_allclose(reader.read(TEXT).probabilities, model.predict(TEXT), atol=1e-6)
    model.weights[f"{INSIDE}residual1.attention1.Wo"][: WIDTH // HEADS] = 0
    np.testing.assert_allclose(reader.read(TEXT, heads_off=[head]).probabilities, model.predict(TEXT), atol=1e-6)


@pytest.mark.parametrize(
    "layers",
    [
        (Embedding(5, 5), Softmax()),
        (Embedding(5, 4), GRU(6, return_sequences=True), Dense(5), Softmax()),
    ],
    ids=["bigram", "gru"],
)
def test_networks_without_attention_and_blocks_have_what_there_is(layers):
    model = random_model(Sequential(*layers), (WINDOW,), input_stage=STAGE)
    reader = TokenReader(model)
    reading = reader.read(TEXT)
    assert (reader.attention, reader.blocks, reading.attention, reading.lens) == ({}, (), {}, {})
    np.testing.assert_allclose(reading.probabilities, model.predict(TEXT), atol=1e-6)
    assert reading.tokens.tolist() == [2, 0, 1, 1, 0, 4, 3]


def test_a_network_with_one_answer_reads_a_full_window():
    layers = Embedding(5, 4), Flatten(), Dense(5), Softmax()
    model = random_model(Sequential(*layers), (4,), input_stage=Tokens(CharacterTokenizer("abce\n"), separator=4))
    reading = TokenReader(model).read("ba")
    assert reading.tokens.tolist() == [4, 1, 0], "with the separator"
    np.testing.assert_allclose(reading.probabilities, model.predict(np.array([[4, 4, 1, 0]])), atol=1e-6)
    windows = random_model(Sequential(*layers), (4,), input_stage=STAGE)
    np.testing.assert_allclose(TokenReader(windows).read("babe").probabilities, windows.predict("babe"), atol=1e-6)
    with pytest.raises(DataError, match="reads exactly 4: give a longer one"):
        TokenReader(windows).read("ba")


def test_a_classifier_of_texts_reads_what_predict_reads():
    layers = Embedding(6, WIDTH), LearnedPositions(), *BLOCKS, Flatten(), Dense(3), Softmax()
    model = random_model(Sequential(*layers), (WINDOW,), input_stage=Tokens(CharacterTokenizer("abceg"), padding=5))
    reading = TokenReader(model).read("gab")
    assert reading.tokens.tolist() == [4, 0, 1], "though there are only three classes"
    np.testing.assert_allclose(reading.probabilities, model.predict(["gab"]), atol=1e-6)
    x = np.array([[4, 0, 1, *[5] * 7]])
    for path, weights in attention_weights(model, x).items():
        np.testing.assert_allclose(reading.attention[path], weights[0, :, :3, :3], atol=1e-6)
    assert [z.shape for z in reading.lens.values()] == [(1, 3)] * 5
    np.testing.assert_allclose(list(reading.lens.values())[-1], reading.logits, atol=1e-5)


def test_what_does_not_exist_is_refused(model):
    with pytest.raises(ConfigError, match=r"no attention layer 'tiedembedding1\.residual2\.attention1': did you mean"):
        probabilities_without(model, TEXT, heads=[(f"{INSIDE}residual2.attention1", 0)])
    with pytest.raises(ConfigError, match="has no head 2: they are numbered from 0 to 1"):
        probabilities_without(model, TEXT, heads=[(f"{INSIDE}residual1.attention1", 2)])
    with pytest.raises(ConfigError, match="there is no block 'residual1'"):
        probabilities_without(model, TEXT, blocks=["residual1"])
    with pytest.raises(DataError, match="has 11 tokens, and the network reads 10 at once"):
        logit_lens(model, "abbabbabbab")
    with pytest.raises(ConfigError, match="explain: the network reads samples of the shape"):
        TokenReader(Sequential(Dense(3), Softmax()).compile((4, 2), CrossEntropy()))
    with pytest.raises(ConfigError, match="no tokenizer"):
        TokenReader(network().compile((WINDOW,), CrossEntropy())).read("text")
