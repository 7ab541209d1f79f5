"""Tests of tied embeddings: one table for reading and writing tokens, in everything that networks are used for."""

from __future__ import annotations

import runpy

import numpy as np
import onnx
import pytest

from pellucid import (
    GELU,
    SGD,
    Accuracy,
    AdamW,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Dropout,
    Frozen,
    LayerNorm,
    LearnedPositions,
    Model,
    Multiply,
    Normal,
    Residual,
    Sequential,
    ShapeError,
    Softmax,
    TiedEmbedding,
    kernels as kernel_sets,
    transfer,
)
from pellucid.core.config import from_json, to_json
from pellucid.explain import deeplift
from pellucid.model.activations import activations
from pellucid.networks import depth, primitives
from pellucid.testing import asymmetric, layouts, run_layer

BOTH = pytest.mark.parametrize("kernels", [kernel_sets.load(name) for name in kernel_sets.SETS], ids=kernel_sets.SETS)
RANDOM = np.random.default_rng(0)
TOKENS = RANDOM.integers(0, 7, (40, 5))
NEXT = (TOKENS + 1) % 7
BLOCK = Residual(LayerNorm(bias=False), Dense(16, bias=False), GELU(), Dense(8, bias=False))
NETWORK = Sequential(TiedEmbedding(7, 8, LearnedPositions(), BLOCK, LayerNorm(bias=False)), Softmax())
TABLE = "tiedembedding1.embedding.W"


def model_of(network=NETWORK, optimizer=None, **options):
    return network.compile((5,), CrossEntropy(), optimizer or AdamW(0.01, decay=0.1), [Accuracy()], **options)


@BOTH
def test_the_gradient_of_the_table_is_the_sum_of_both_uses(kernels):
    layer = TiedEmbedding(7, 3, Dense(3, bias=False))
    layout = layouts(layer, (5,))[0]
    theta = asymmetric((layout.size,))
    W, V = layout.arrays(theta).values()
    dy = asymmetric((4, 5, 7), seed=1)
    out = run_layer(layer, TOKENS[:4].astype(np.float64), dy, theta=theta, kernels=kernels)
    h = W[TOKENS[:4]]
    np.testing.assert_allclose(out.y, h @ V @ W.T, atol=1e-12)
    dW = np.einsum("ntk,ntj->kj", dy, h @ V)
    np.add.at(dW, TOKENS[:4], dy @ W @ V.T)
    np.testing.assert_allclose(layout.array(out.gradient, "embedding.W"), dW, atol=1e-12)
    np.testing.assert_allclose(layout.array(out.gradient, "dense1.W"), np.einsum("ntj,ntk->jk", h, dy @ W), atol=1e-12)


def test_the_configuration_of_nanogpt_has_as_many_parameters():
    """Without attention, whose weights are missing here: 804,096 in all."""
    feed_forward = [LayerNorm(bias=False), Dense(512, bias=False), GELU(), Dense(128, bias=False)]
    blocks = [Residual(*feed_forward) for _ in range(4)]
    layout = layouts(TiedEmbedding(65, 128, LearnedPositions(), *blocks, LayerNorm(bias=False)), (64,))[0]
    assert layout.parameter_count == 804_096 - 4 * (4 * 128 * 128 + 128)
    assert [path for path in layout if not layout[path].decay] == [path for path in layout if path.endswith("gamma")]


def test_names_paths_and_text():
    layer = NETWORK.layers[0]
    assert from_json(to_json(layer), TiedEmbedding) == layer
    assert repr(TiedEmbedding(7, 8, Dropout(0.1))) == "TiedEmbedding(7, 8, Dropout(rate=0.1))"
    assert repr(TiedEmbedding(7, 8, init=Normal(0.5))) == "TiedEmbedding(7, 8, init=Normal(sigma=0.5))"
    assert [path for path, _ in primitives(layer)][:3] == ["embedding", "learnedpositions1", "residual1.layernorm1"]
    assert [path for path, _ in primitives(layer)][-2:] == ["layernorm1", "logits"]
    assert depth(TiedEmbedding(7, 8)) == 2
    model = model_of()
    text = model.summary()
    assert f"{model.parameter_count:,}" in text
    assert model.parameter_count == 7 * 8 + 5 * 8 + 8 + 2 * 8 * 16 + 8
    assert "tiedembedding1.logits" in text


def test_what_it_refuses():
    with pytest.raises(
        ShapeError, match=r"logits: Unembedding.* expects vectors of 8 values.*got vectors of 3; put Dense\(8\)"
    ):
        TiedEmbedding(7, 8, Dense(3)).build((5,))
    with pytest.raises(ConfigError, match=r"Multiply takes several inputs, but a layer in TiedEmbedding\(…\) has one"):
        TiedEmbedding(7, 8, Multiply())
    with pytest.raises(ConfigError, match="entries must be at least 1"):
        TiedEmbedding(0, 8)
    with pytest.raises(ShapeError, match="expects sequences"):
        TiedEmbedding(7, 8).build(())
    with pytest.raises(DataError, match=r"7 at position 4 of sample 0 .*the 7 entries are 0 … 6"):
        model_of().predict(np.array([[0, 1, 2, 3, 7]]))


def test_it_learns_and_its_file_computes_the_same(tmp_path):
    model = model_of()
    model.fit(TOKENS, NEXT, epochs=30, batch_size=8)
    assert model.evaluate(TOKENS, NEXT)["accuracy"] == 1
    model.save(tmp_path / "model.safetensors")
    again = Model.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict(TOKENS), model.predict(TOKENS))
    assert again.network == NETWORK
    assert list(model.weights).count(TABLE) == 1


def test_recorded_steps_and_steps_in_parts(monkeypatch):
    """Recorded and interpreted steps have the same bits; cut into parts, the sums differ by roundings."""
    runs = {}
    for name, kernels, options in (
        ("recorded", "compiled", {}),
        ("reference", "reference", {}),
        ("parts", "compiled", {"deterministic": True}),
    ):
        monkeypatch.setenv("PELLUCID_KERNELS", kernels)
        model = model_of(optimizer=SGD(0.5))
        model.fit(TOKENS, NEXT, epochs=3, batch_size=8, **options)
        runs[name] = model.parameters.copy()
    np.testing.assert_allclose(runs["recorded"], runs["reference"], atol=1e-5)
    np.testing.assert_allclose(runs["recorded"], runs["parts"], atol=1e-5)
    assert np.abs(runs["recorded"] - model_of().parameters).max() > 0.01


def test_a_frozen_one_does_not_change_and_takes_the_parameters_of_another():
    trained = model_of()
    trained.fit(TOKENS, NEXT, epochs=2)
    frozen = Sequential(Frozen(NETWORK.layers[0]), Dense(7), Softmax())
    model = model_of(frozen)
    transfer(trained, model, into="frozen1")
    np.testing.assert_array_equal(model.weights[f"frozen1.{TABLE}"], trained.weights[TABLE])
    model.fit(TOKENS, NEXT, epochs=2)
    np.testing.assert_array_equal(model.weights[f"frozen1.{TABLE}"], trained.weights[TABLE])
    assert (model.weights["dense1.W"] != model_of(frozen).weights["dense1.W"]).any()


def test_what_each_layer_computes_can_be_read():
    model = model_of()
    found = activations(model, TOKENS[:3])
    W = model.weights[TABLE]
    np.testing.assert_array_equal(found["tiedembedding1.embedding"], W[TOKENS[:3]])
    np.testing.assert_allclose(found["tiedembedding1.logits"], found["tiedembedding1.layernorm1"] @ W.T, atol=1e-5)
    np.testing.assert_allclose(found["tiedembedding1.logits"], model.predict(TOKENS[:3], logits=True), atol=1e-5)
    attribution = deeplift(model, TOKENS[:3], 1, position=4)
    assert (attribution.values == 0).all()  # there is no gradient between tokens


def test_exports_have_the_table_once(tmp_path):
    model = model_of()
    expected = model.predict(TOKENS)
    model.export_onnx(tmp_path / "net.onnx")
    shapes = [tuple(array.dims) for array in onnx.load(tmp_path / "net.onnx").graph.initializer]
    assert shapes.count((7, 8)) == 1
    model.export_numpy(tmp_path / "net.py")
    np.testing.assert_allclose(runpy.run_path(str(tmp_path / "net.py"))["predict"](TOKENS), expected, atol=1e-6)
    model.export_c(tmp_path / "net")
    source = (tmp_path / "net" / "network.c").read_text()
    assert source.count("_W[56] = {") == 1
