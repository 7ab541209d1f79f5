"""Tests of the messages for users who write what Keras, PyTorch or scikit-learn would accept."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import pellucid
from pellucid import (
    LBFGS,
    LSTM,
    SGD,
    Accuracy,
    Adam,
    AdamW,
    BinaryCrossEntropy,
    Chain,
    ClipNorm,
    Conv1D,
    Conv2D,
    Crop2D,
    CrossEntropy,
    Dense,
    Dropout,
    EarlyStopping,
    Embedding,
    Frozen,
    Model,
    Node,
    Permute,
    ReLU,
    Repeat,
    Sequential,
    Sigmoid,
    Softmax,
    UpSample2D,
)
from pellucid.core import habits
from pellucid.core.config import registered_classes
from pellucid.data import PhotoAugmentation, windows
from pellucid.errors import ConfigError, DataError
from pellucid.layers import Layer

NETWORK = Sequential(Dense(4), ReLU(), Dense(2), Softmax())
X, Y = np.random.default_rng(0).random((20, 4), np.float32), np.arange(20) % 2


def model():
    return NETWORK.compile((4,), CrossEntropy(), SGD(0.1), [Accuracy()])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: model().fit(X, Y, validation_data=(X, Y)),
            r"fit\(\) has no argument 'validation_data': use validation=\(x, y\)",
        ),
        (lambda: model().fit(X, Y, validation_split=0.2), r"'validation_split': split the data first.*Dataset\(x, y\).split"),
        (
            lambda: model().fit(X, Y, validation=0.2),
            r"a Dataset, \(x, y\) or \(x, y, sample_weight\), got 0.2; .* split it first",
        ),
        (lambda: model().fit(X, Y, callbacks=[]), r"'callbacks': give policies=\[EarlyStopping"),
        (lambda: model().fit(X, Y, verbose=0), "'verbose': use progress"),
        (lambda: model().fit(X, Y, n_epochs=3), "'n_epochs': use epochs"),
        (lambda: model().fit(X, Y, epoch=3), "'epoch': did you mean 'epochs'"),
        (lambda: model().evaluate(X, Y, verbose=0), "evaluate prints nothing"),
        (lambda: model().predict(X, batch_size=3), "predict computes any number of samples"),
        (lambda: Dense(10, activation="relu"), r"Dense\(\) has no argument 'activation': an activation is a layer of its own"),
        (lambda: Dense(10, "relu"), r"must be an Initializer, not str; ReLU\(\) is a layer of its own"),
        (lambda: Dense(10, "he_normal"), r"must be an Initializer, not str; write He\(\)"),
        (lambda: Conv2D(8, 3, strides=2), "'strides': use stride"),
        (lambda: Dropout(p=0.5), "'p': use rate"),
        (lambda: Conv1D(8, 3, dilation_rate=2), "'dilation_rate': use dilation"),
        (lambda: UpSample2D(size=2), "'size': use factor"),
        (lambda: UpSample2D(scale_factor=2), "'scale_factor': use factor"),
        (lambda: UpSample2D(mode="bilinear"), "'mode': use interpolation"),
        (lambda: UpSample2D(2, "bilinear", align_corners=False), "half-pixel centres, as with align_corners=False"),
        (lambda: Crop2D(cropping=1), "'cropping': use border"),
        (lambda: Repeat(n=3), "'n': use times"),
        (lambda: Permute(dims=(2, 1)), "'dims': use axes"),
        (lambda: Adam(lr=0.1), "'lr': use learning_rate"),
        (lambda: Adam(betas=(0.9, 0.99)), "'betas': use beta1 and beta2"),
        (lambda: model().fit(X, Y, lr=0.1), r"'lr': the learning rate belongs to the optimizer: compile\(\.\.\., optimizer="),
        (lambda: SGD(0.1, amsgrad=True), r"'amsgrad': Adam and AdamW have it: Adam\(amsgrad=True\)"),
        (lambda: AdamW(weight_decay=0.1), r"AdamW\(\) has no argument 'weight_decay': use decay"),
        (lambda: Adam(weight_decay=0.1), r"'weight_decay': .* or use AdamW\(decay=0.01\)"),
        (lambda: SGD(0.1, weight_decay=1e-4), r"'weight_decay': .*Chain\(L2\(1e-4\), SGD\(0.1\)\)"),
        (lambda: NETWORK.compile((4,), "categorical_crossentropy"), r"must be a Loss, not str; write CrossEntropy\(\)"),
        (lambda: NETWORK.compile((4,), "pinball"), r"must be a Loss, not str; write Quantile\(\)"),
        (lambda: NETWORK.compile((4,), "nll"), r"must be a Loss, not str(?!;)"),
        (lambda: NETWORK.compile((4,), CrossEntropy(), "adam"), r"must be a Rule or a Chain, not str; write Adam\(\)"),
        (lambda: NETWORK.compile((4,), CrossEntropy(), metrics=["accuracy"]), r"must be a Metric, not str; write Accuracy\(\)"),
        (lambda: NETWORK.compile((4,), CrossEntropy(), metrics="accuracy"), r"write \[Accuracy\(\)\]"),
        (
            lambda: NETWORK.compile(optimizer="adam", loss="mse"),
            r"'input_shape'; input_shape is the shape of one sample, such as",
        ),
        (lambda: Sequential([Dense(3), ReLU()]), r"one by one, without brackets: Sequential\(first, second"),
        (lambda: CrossEntropy(ignore_index=-100), r"'ignore_index': give what does not count the weight 0"),
        (lambda: Embedding(num_embeddings=9, embedding_dim=3), "'num_embeddings': use entries"),
        (lambda: Embedding(input_dim=9, output_dim=3), "'input_dim': use entries, the number of tokens"),
        (lambda: PhotoAugmentation(horizontal_flip=True), "'horizontal_flip': use flip$"),
        (lambda: PhotoAugmentation(degrees=10), "'degrees': use rotation$"),
        (lambda: Node(name="a", layer=ReLU(), inputs=["input"]), "'inputs': what a node reads comes after its layer"),
        (lambda: model().train_on_batch(X, Y, class_weight=[1, 2]), r"train_on_batch\(\) has no argument 'class_weight'"),
        (lambda: windows(X, lookback=3, horizon=1), r"windows\(\) has no argument 'lookback': use window"),
        (lambda: Model.load("m", custom_objects={}), r"'custom_objects': .* as a list: custom_classes="),
        (
            lambda: model().fit(X, Y, validation=(X, Y), policies=[EarlyStopping(monitor="val_acc")]),
            "'val_acc', which is not computed: did you mean",
        ),
        (
            lambda: model().fit(X, Y, policies=[EarlyStopping(monitor="val_loss")]),
            "'val_loss', which is not computed: it needs validation data",
        ),
        (
            lambda: model().fit(X, Y, validation=(X, Y), policies=[EarlyStopping(monitor="val_loss")]),
            "did you mean 'validation_loss'",
        ),
        (
            lambda: model().fit(lambda: iter([(X, Y)]), steps_per_epoch=1),
            r"called as <lambda>\(epoch\), which does not fit: too many positional arguments",
        ),
        (
            lambda: model().fit(X, Y, augmentation=lambda x: x),
            r"called as <lambda>\(x, generator\), which does not fit: too many positional arguments",
        ),
        (
            lambda: NETWORK.compile((4,), lambda y, t, weights: (y, t)),
            r"called as <lambda>\(outputs, targets\), which does not fit: missing a required argument: 'weights'",
        ),
        (lambda: LSTM(8, dropout=0.1), "put Dropout before the layer; recurrent_dropout drops values of the state"),
        (lambda: LBFGS(history_size=5), "use memory"),
        (lambda: Chain(SGD(0.1), rates=0.1), r"rates maps patterns of paths to factors"),
        (lambda: BinaryCrossEntropy(pos_weight=np.ones(2)), r"not ndarray; write tuple\(...\) around the array"),
        (lambda: Chain([ClipNorm(1.0), SGD(0.1)]), r"one by one, without brackets: Chain\(first, second"),
        (
            lambda: Sequential(Frozen(Dense(1), Sigmoid())).compile((4,), BinaryCrossEntropy()),
            r"Sigmoid\(\), which must be the last layer of the network: take it out of Frozen",
        ),
    ],
)
def test_a_habit_of_another_library_is_answered_with_the_name_here(call, message):
    with pytest.raises(ConfigError, match=message):
        call()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("MaxPooling1D", "here it is MaxPool1D$"),
        ("RepeatVector", "here it is Repeat$"),
        ("Upsample", "here it is UpSample2D or UpSample1D$"),
        ("Relu", "here it is ReLU$"),
        ("Linear", "here it is Dense$"),
        ("MeanIoU", "here it is IntersectionOverUnion$"),
        ("TimeDistributed", "act at each step by themselves"),
        ("load_model", r"use Model\.load\(path\)"),
        ("Conv9D", "no attribute 'Conv9D'$"),
        ("conv2d", "no attribute 'conv2d'$"),
    ],
)
def test_a_class_of_another_library_is_answered_with_its_name_here(name, message):
    with pytest.raises(AttributeError, match=message):
        getattr(pellucid, name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("backward", r"no attribute 'backward'; y, pullback = model\.forward\(x\)"),
        ("state_dict", "weights is the dictionary"),
        ("nothing", "no attribute 'nothing'$"),
    ],
)
def test_a_method_of_other_models_is_answered_with_what_to_write_here(name, message):
    with pytest.raises(AttributeError, match=message):
        getattr(model(), name)
    with pytest.raises(AttributeError, match=r"give all layers to Sequential\(\.\.\.\)"):
        NETWORK.add(Dense(3))


def test_batches_are_not_evaluated():
    for call in (lambda: model().evaluate([(X, Y)]), lambda: model().predict(iter([X]))):
        with pytest.raises(DataError, match="batches are for the training"):
            call()
    assert model().predict([tuple(row) for row in X]).shape == (20, 2)


@pytest.mark.parametrize("name", ["fit", "predict", "evaluate", "save", "summary"])
def test_a_network_that_is_not_compiled_says_how_to_make_a_model(name):
    with pytest.raises(AttributeError, match=rf"a network has no {name}\(\).*network.compile\(input_shape"):
        getattr(NETWORK, name)
    assert not hasattr(NETWORK, "other")


def test_errors_inside_a_call_keep_their_type():
    def broken(x: int, *, y: int = 0) -> int:
        raise TypeError("from inside")

    with pytest.raises(TypeError, match="from inside"):
        habits.explain_arguments(broken)(1, y=2)


def test_a_class_shows_its_own_arguments():
    assert list(inspect.signature(Dense).parameters)[:2] == ["units", "init"]
    assert str(inspect.signature(Sequential)) == "(*layers: 'Layer')"
    assert list(inspect.signature(model().fit).parameters)[:3] == ["x", "y", "validation"]


def test_each_hint_is_used_by_some_class_or_function():
    """An entry whose new name exists nowhere is a typing error."""
    known = {
        name for cls in registered_classes(object) for name in inspect.signature(registered_classes(object)[cls]).parameters
    }
    known |= set(inspect.signature(model().fit).parameters)
    for old, new in habits.RENAMED.items():
        assert any(name in known for name in new), old
    assert {"Dense", "ReLU"} <= set(registered_classes(Layer))
    names = registered_classes(object)
    assert {name for given in habits.OBJECTS.values() for name in given} <= set(names)
