"""Hints for the arguments of other libraries: what the names of Keras, PyTorch and scikit-learn are called here.

The constructors of settings, and the functions with :func:`explain_arguments`, raise ConfigError with such a hint for an
argument that they do not have, instead of Python's TypeError.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import ParamSpec, TypeVar

from pellucid.errors import ConfigError, did_you_mean

P = ParamSpec("P")
R = TypeVar("R")

# What to write instead of an argument that has no namesake here. The key is the argument, or "owner.argument".
ARGUMENTS = {
    "activation": "an activation is a layer of its own, after this one, as in Sequential(Dense(64), ReLU())",
    "align_corners": "it samples at half-pixel centres, as with align_corners=False",
    "amsgrad": "Adam and AdamW have it: Adam(amsgrad=True)",
    "batch_first": "the axes are always (batch, time, features)",
    "bias_initializer": "biases are zero at the start",
    "bidirectional": "wrap the layer: Bidirectional(LSTM(64))",
    "callbacks": "give policies=[EarlyStopping(...)], or iterate over fit_events(...)",
    "ceil_mode": "an incomplete last window is left out; padding='same' keeps it",
    "clipnorm": "put it before the rule: Chain(ClipNorm(1.0), Adam())",
    "clipvalue": "put it before the rule: Chain(ClipValue(1.0), Adam())",
    "count_include_pad": "padding does not count in averages",
    "data_format": "the channels are always the last axis; Permute((1, 2, 0)) moves them there from the first",
    "early_stopping": "give policies=[EarlyStopping(...)]",
    "evaluate.batch_size": "evaluate computes any number of samples in chunks",
    "evaluate.verbose": "evaluate prints nothing",
    "fit.lr": "the learning rate belongs to the optimizer: compile(..., optimizer=Adam(0.001))",
    "go_backwards": "put Reverse() before the layer",
    "GRU.dropout": "put Dropout before the layer; recurrent_dropout drops values of the state",
    "in_channels": "a layer finds the number of its inputs when the network is compiled; filters is the number of its outputs",
    "in_features": "a layer finds the number of its inputs when the network is compiled; units is the number of its outputs",
    "initial_state": "FromState(layer) in a Graph starts a layer in the state of another node",
    "input_dim": "compile(input_shape=...) takes the shape of one sample, and each layer finds its own",
    "input_shape": "compile(input_shape=...) takes the shape of one sample, and each layer finds its own",
    "kernel_regularizer": "penalties belong to the optimizer: Chain(L2(1e-4), Adam())",
    "LBFGS.learning_rate": "there is no learning rate: a line search finds the length of each step",
    "LBFGS.lr": "there is no learning rate: a line search finds the length of each step",
    "LBFGS.max_iter": "each epoch of fit is one iteration: fit(epochs=...)",
    "LSTM.dropout": "put Dropout before the layer; recurrent_dropout drops values of the state",
    "name": "the nodes of a Graph have names: Node('hidden', Dense(8), 'input')",
    "num_layers": "put one layer after the other, all but the last with return_sequences=True",
    "out_activation": "the last activation is the last layer of the network",
    "predict.batch_size": "predict computes any number of samples in chunks",
    "predict.verbose": "predict prints nothing",
    "reset_after": "the reset gate is always applied after the product",
    "SimpleRNN.dropout": "put Dropout before the layer; recurrent_dropout drops values of the state",
    "stateful": "return_state=True returns the state, and FromState(layer) in a Graph starts in it",
    "T_max": "the schedule extends over the whole fit",
    "validation_data": "use validation=(x, y), or a data set",
    "validation_split": "split the data first, with Dataset(x, y).split(0.2) of pellucid.data, and give validation=...",
    "weight_decay": "put it before the rule, Chain(L2(1e-4), SGD(0.1)), or use AdamW(decay=0.01)",
}
# Arguments that exist under another name; it is suggested only where it exists.
RENAMED = {
    "alpha": ("slope", "l2"),
    "beta_1": ("beta1",),
    "beta_2": ("beta2",),
    "betas": ("beta1", "beta2"),
    "cropping": ("border",),
    "dilation_rate": ("dilation",),
    "dims": ("axes",),
    "eps": ("epsilon",),
    "etas": ("decrease", "increase"),
    "gamma": ("factor",),
    "hidden_size": ("units",),
    "history_size": ("memory",),
    "kernel_initializer": ("init",),
    "label_smoothing": ("smoothing",),
    "lr": ("learning_rate",),
    "max_iter": ("epochs",),
    "max_lr": ("peak",),
    "mode": ("interpolation",),
    "n": ("times",),
    "n_epochs": ("epochs",),
    "nb_epoch": ("epochs",),
    "negative_slope": ("slope",),
    "num_epochs": ("epochs",),
    "out_channels": ("filters",),
    "out_features": ("units",),
    "p": ("rate",),
    "pool_size": ("size", "kernel_size"),
    "sample_weights": ("sample_weight",),
    "scale_factor": ("factor",),
    "size": ("factor",),
    "step_sizes": ("shortest", "longest"),
    "strides": ("stride",),
    "tol": ("decrease_tolerance",),
    "use_bias": ("bias",),
    "verbose": ("progress",),
    "weight_decay": ("decay",),
}
# Required arguments.
REQUIRED = {
    "input_shape": "the shape of one sample, such as (784,) or (28, 28, 1)",
}
# What other libraries call an object, as a string or as a class: normalized (see ``_normalized``), and the classes here.
OBJECTS = {
    "acc": ("Accuracy",),
    "auc": ("ROCAUC",),
    "averagepooling1d": ("AveragePool1D",),
    "averagepooling2d": ("AveragePool2D",),
    "avgpool1d": ("AveragePool1D",),
    "avgpool2d": ("AveragePool2D",),
    "bce": ("BinaryCrossEntropy",),
    "binaryaccuracy": ("Accuracy",),
    "categoricalaccuracy": ("Accuracy",),
    "categoricalcrossentropy": ("CrossEntropy",),
    "convolution1d": ("Conv1D",),
    "convolution2d": ("Conv2D",),
    "cosine": ("CosineDistance",),
    "cosinesimilarity": ("CosineDistance",),
    "cropping1d": ("Crop1D",),
    "cropping2d": ("Crop2D",),
    "crossentropyloss": ("CrossEntropy",),
    "focal": ("BinaryFocalCrossEntropy",),
    "globalaveragepooling1d": ("GlobalAveragePool1D",),
    "globalaveragepooling2d": ("GlobalAveragePool2D",),
    "globalmaxpooling1d": ("GlobalMaxPool1D",),
    "globalmaxpooling2d": ("GlobalMaxPool2D",),
    "glorotnormal": ("Glorot",),
    "henormal": ("He",),
    "heuniform": ("HeUniform",),
    "kaiming": ("He",),
    "logistic": ("Sigmoid",),
    "mae": ("MeanAbsoluteError", "AbsoluteError"),
    "mape": ("AbsolutePercentageError",),
    "maxpooling1d": ("MaxPool1D",),
    "maxpooling2d": ("MaxPool2D",),
    "meanabsoluteerror": ("MeanAbsoluteError", "AbsoluteError"),
    "meansquarederror": ("MeanSquaredError", "SquaredError"),
    "mse": ("MeanSquaredError", "SquaredError"),
    "mseloss": ("MeanSquaredError",),
    "negativeloglikelihood": ("CrossEntropy",),
    "pinball": ("Quantile",),
    "repeatvector": ("Repeat",),
    "sparsecategoricalaccuracy": ("Accuracy",),
    "sparsecategoricalcrossentropy": ("CrossEntropy",),
    "swish": ("SiLU",),
    "upsample": ("UpSample2D", "UpSample1D"),
    "upsampling1d": ("UpSample1D",),
    "upsampling2d": ("UpSample2D",),
    "xavier": ("Glorot",),
    "xaviernormal": ("Glorot",),
    "xavieruniform": ("GlorotUniform",),
    "zeropadding1d": ("ZeroPad1D",),
    "zeropadding2d": ("ZeroPad2D",),
}


def explain_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with errors that explain its arguments: ConfigError for unknown and missing ones."""

    @functools.wraps(function)
    def explained(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError:
            signature = inspect.signature(function)
            refuse_unknown(function.__name__, kwargs, signature.parameters)
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                given = {*[*signature.parameters][: len(args)], *map(str, kwargs)}
                raise ConfigError(f"{function.__name__}() {error}{_required(signature, given)}") from None
            raise

    return explained


def refuse_unknown(owner: str, given: Iterable[str], known: Mapping[str, inspect.Parameter]) -> None:
    """Raise ConfigError if one of the ``given`` argument names is not ``known``; ``owner`` is the function or the class."""
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values()):
        return
    names = [name for name, parameter in known.items() if name != "self" and parameter.kind is not parameter.VAR_POSITIONAL]
    for name in given:
        if name not in names:
            raise ConfigError(f"{owner}() has no argument {name!r}: {_hint(owner, name, names)}")


def _required(signature: inspect.Signature, given: Collection[str]) -> str:
    """Return the end of a message that explains the first required argument that is not given."""
    missing = [name for name, text in REQUIRED.items() if name in signature.parameters and name not in given]
    return f"; {missing[0]} is {REQUIRED[missing[0]]}" if missing else ""


def _hint(owner: str, name: str, names: list[str]) -> str:
    renamed = [other for other in RENAMED.get(name, ()) if other in names]
    if renamed:
        return f"use {' and '.join(renamed)}"
    text = ARGUMENTS.get(f"{owner}.{name}") or ARGUMENTS.get(name)
    return text or (did_you_mean(name, names) if names else "it has none")


def object_names(text: str, exported: Iterable[str]) -> list[str]:
    """Return the classes whose objects another library may name ``text``, such as Adam for "adam"."""
    known = {_normalized(name): name for name in exported if name[:1].isupper()}
    named = OBJECTS.get(_normalized(text), (text,))
    return [known[_normalized(name)] for name in named if _normalized(name) in known]


def _normalized(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
