"""Hints for the arguments of other libraries: what the names of Keras, PyTorch and scikit-learn are called here.

The constructors of settings, and the functions with :func:`explain_arguments`, raise ConfigError with such a hint for an
argument that they do not have, instead of Python's TypeError.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
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
    "compile.learning_rate": "the learning rate belongs to the optimizer: compile(..., optimizer=Adam(0.001))",
    "count_include_pad": "padding does not count in averages",
    "CrossEntropy.weight": "weights of the classes belong to the training: fit(..., class_weight=[1, 2])",
    "custom_objects": "give the classes and functions as a list: custom_classes=[MyLoss]",
    "data_format": "the channels are always the last axis; Permute((1, 2, 0)) moves them there from the first",
    "early_stopping": "give policies=[EarlyStopping(...)]",
    "Embedding.input_dim": "use entries, the number of tokens, padding included",
    "evaluate.batch_size": "evaluate computes any number of samples in chunks",
    "evaluate.verbose": "evaluate prints nothing",
    "fit.lr": "the learning rate belongs to the optimizer: compile(..., optimizer=Adam(0.001))",
    "from_logits": "it follows from the network: losses with a head, such as CrossEntropy, are computed from logits",
    "go_backwards": "put Reverse() before the layer",
    "GRU.dropout": "put Dropout before the layer; recurrent_dropout drops values of the state",
    "ignore_index": "give what does not count the weight 0: sample_weight=(y != -100)",
    "in_channels": "a layer finds the number of its inputs when the network is compiled; filters is the number of its outputs",
    "in_features": "a layer finds the number of its inputs when the network is compiled; units is the number of its outputs",
    "initial_state": "FromState(layer) in a Graph starts a layer in the state of another node",
    "input_dim": "compile(input_shape=...) takes the shape of one sample, and each layer finds its own",
    "input_shape": "compile(input_shape=...) takes the shape of one sample, and each layer finds its own",
    "input_size": "a layer finds the number of its inputs when the network is compiled; units is the number of its outputs",
    "kernel_regularizer": "penalties belong to the optimizer: Chain(L2(1e-4), Adam())",
    "LBFGS.learning_rate": "there is no learning rate: a line search finds the length of each step",
    "LBFGS.lr": "there is no learning rate: a line search finds the length of each step",
    "LBFGS.max_iter": "each epoch of fit is one iteration: fit(epochs=...)",
    "LSTM.dropout": "put Dropout before the layer; recurrent_dropout drops values of the state",
    "mask_zero": "padding=0 gives zeros for the token 0, and mask=0.0 in the recurrent layer after it skips them",
    "name": "the nodes of a Graph have names: Node('hidden', Dense(8), 'input')",
    "Node.inputs": "what a node reads comes after its layer: Node('both', Concatenate(), 'left', 'right')",
    "num_classes": "it follows from the network, whose last axis holds the classes",
    "num_layers": "put one layer after the other, all but the last with return_sequences=True",
    "num_workers": "prefetch=2 prepares batches in a thread; processes are up to the source",
    "out_activation": "the last activation is the last layer of the network",
    "predict.batch_size": "predict computes any number of samples in chunks",
    "predict.verbose": "predict prints nothing",
    "reduction": "a loss is a weighted mean; value_and_gradient(z, y, sample_weight) takes the weights",
    "reset_after": "the reset gate is always applied after the product",
    "sample_weight_mode": "fit(..., sample_weight=w) takes weights (n), or (n, time) for one for each step",
    "SimpleRNN.dropout": "put Dropout before the layer; recurrent_dropout drops values of the state",
    "stateful": "return_state=True returns the state, and FromState(layer) in a Graph starts in it",
    "T_max": "the schedule extends over the whole fit",
    "validation_data": "use validation=(x, y), or a data set",
    "validation_split": "split the data first, with Dataset(x, y).split(0.2) of pellucid.data, and give validation=...",
    "weight_decay": "put it before the rule, Chain(L2(1e-4), SGD(0.1)), or use AdamW(decay=0.01)",
    "weighted_metrics": "give metrics; all of them count sample_weight",
    "workers": "BatchStream(..., prefetch=2) prepares batches in a thread",
    "zoom_range": "crop is the smallest fraction of the area that is enlarged to the whole image",
}
# Arguments that exist under another name; it is suggested only where it exists.
RENAMED = {
    "alpha": ("slope", "l2"),
    "beta_1": ("beta1",),
    "beta_2": ("beta2",),
    "betas": ("beta1", "beta2"),
    "brightness_range": ("brightness",),
    "cropping": ("border",),
    "degrees": ("rotation",),
    "dilation_rate": ("dilation",),
    "dim": ("axis",),
    "dims": ("axes",),
    "embedding_dim": ("width",),
    "eps": ("epsilon",),
    "etas": ("decrease", "increase"),
    "gamma": ("factor",),
    "height_shift_range": ("shift",),
    "hidden_size": ("units",),
    "history_size": ("memory",),
    "horizontal_flip": ("flip",),
    "kernel_initializer": ("init",),
    "label_smoothing": ("smoothing",),
    "lookback": ("window",),
    "lr": ("learning_rate",),
    "mask_value": ("mask",),
    "max_iter": ("epochs",),
    "max_lr": ("peak",),
    "mode": ("interpolation",),
    "n": ("times",),
    "n_epochs": ("epochs",),
    "nb_epoch": ("epochs",),
    "negative_slope": ("slope",),
    "num_embeddings": ("entries",),
    "num_epochs": ("epochs",),
    "out_channels": ("filters",),
    "out_features": ("units",),
    "output_dim": ("width",),
    "p": ("rate",),
    "padding_idx": ("padding",),
    "pool_size": ("size", "kernel_size"),
    "rotation_range": ("rotation",),
    "sample_weights": ("sample_weight",),
    "scale_factor": ("factor",),
    "size": ("factor",),
    "step_sizes": ("shortest", "longest"),
    "strides": ("stride",),
    "target_shape": ("shape",),
    "tol": ("decrease_tolerance",),
    "use_bias": ("bias",),
    "verbose": ("progress",),
    "vertical_flip": ("flip_vertical",),
    "weight_decay": ("decay",),
    "width_shift_range": ("shift",),
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
    "batchnorm1d": ("BatchNorm",),
    "batchnorm2d": ("BatchNorm",),
    "batchnormalization": ("BatchNorm",),
    "bce": ("BinaryCrossEntropy",),
    "bcewithlogitsloss": ("BinaryCrossEntropy",),
    "binaryaccuracy": ("Accuracy",),
    "categoricalaccuracy": ("Accuracy",),
    "categoricalcrossentropy": ("CrossEntropy",),
    "concat": ("Concatenate",),
    "conv2dtranspose": ("ConvTranspose2D",),
    "convolution1d": ("Conv1D",),
    "convolution2d": ("Conv2D",),
    "cosine": ("CosineDistance",),
    "cosinesimilarity": ("CosineDistance",),
    "cropping1d": ("Crop1D",),
    "cropping2d": ("Crop2D",),
    "crossentropyloss": ("CrossEntropy",),
    "diceloss": ("Dice",),
    "focal": ("BinaryFocalCrossEntropy",),
    "globalaveragepooling1d": ("GlobalAveragePool1D",),
    "globalaveragepooling2d": ("GlobalAveragePool2D",),
    "globalmaxpooling1d": ("GlobalMaxPool1D",),
    "globalmaxpooling2d": ("GlobalMaxPool2D",),
    "glorotnormal": ("Glorot",),
    "henormal": ("He",),
    "heuniform": ("HeUniform",),
    "huberloss": ("Huber",),
    "jaccardindex": ("IntersectionOverUnion",),
    "kaiming": ("He",),
    "l1loss": ("MeanAbsoluteError",),
    "layernormalization": ("LayerNorm",),
    "linear": ("Dense",),
    "logistic": ("Sigmoid",),
    "mae": ("MeanAbsoluteError", "AbsoluteError"),
    "mape": ("AbsolutePercentageError",),
    "maxpooling1d": ("MaxPool1D",),
    "maxpooling2d": ("MaxPool2D",),
    "meanabsoluteerror": ("MeanAbsoluteError", "AbsoluteError"),
    "meaniou": ("IntersectionOverUnion",),
    "meansquarederror": ("MeanSquaredError", "SquaredError"),
    "mse": ("MeanSquaredError", "SquaredError"),
    "mseloss": ("MeanSquaredError",),
    "negativeloglikelihood": ("CrossEntropy",),
    "pinball": ("Quantile",),
    "reducelronplateau": ("ReduceOnPlateau",),
    "repeatvector": ("Repeat",),
    "rnn": ("SimpleRNN",),
    "smoothl1loss": ("Huber",),
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
# Names of other libraries that have no namesake here, in lower case, and what does their work.
NAMES = {
    "activation": "an activation is a layer of its own: Sequential(Dense(64), ReLU())",
    "dataloader": "fit takes arrays, or batches from a function: see BatchStream of pellucid.data",
    "functional": "a Graph of Nodes is the network with branches",
    "gradienttape": "y, pullback = model.forward(x) and pullback(dy) compute gradients",
    "imagedatagenerator": "fit(..., augmentation=PhotoAugmentation(flip=0.5)), from pellucid.data",
    "input": "compile(input_shape=...) takes the shape of one sample, and Graph(..., inputs=('left', 'right')) names inputs",
    "inputlayer": "compile(input_shape=...) takes the shape of one sample",
    "lambda": "a function of a batch becomes a layer of your own, in about 20 lines: docs/own-layer.md",
    "load_model": "use Model.load(path)",
    "masking": "recurrent layers have the setting mask: GRU(16, mask=0.0); a sample_weight of 0 masks any position",
    "modelcheckpoint": "policies=[EarlyStopping(...)] restores the best epoch; a loop over fit_events(...) saves others",
    "module": "networks are Sequential and Graph; your own layer is a subclass of Layer",
    "modulelist": "give the layers to Sequential or Graph one by one: Sequential(*layers)",
    "no_grad": "predict, and forward(x, training=False), change nothing in the model",
    "tensor": "arrays are those of NumPy",
    "timedistributed": "Dense, activations and Softmax act at each step by themselves: leave it out",
}
# Methods and attributes of the models of other libraries, and what to write here.
OF_MODELS = {
    "add": "networks are not changed: give all layers to Sequential(...)",
    "backward": "y, pullback = model.forward(x); gradients = pullback(dy)",
    "clone": "use copy()",
    "eval": "predict, and forward(x, training=False), compute as in prediction",
    "fit_generator": "fit takes a function, a list or a generator of batches",
    "get_weights": "weights is the dictionary of all arrays, parameters one flat vector",
    "layers": "network has the layers: model.network.layers for a Sequential",
    "load_state_dict": "model.parameters[:] = values, or Model.load(path)",
    "load_weights": "use Model.load(path), or transfer(first, second) between networks",
    "named_parameters": "weights.items() has the names and the arrays",
    "predict_classes": "predict(x).argmax(axis=-1)",
    "predict_proba": "predict returns the probabilities, if the network ends in Softmax() or Sigmoid()",
    "set_weights": "model.parameters[:] = values, or model.weights['dense1.W'][...] = values",
    "state_dict": "weights is the dictionary of all arrays; save(path) writes a file",
    "to": "everything is computed on the CPU: leave it out",
    "train": "forward(x) computes as in training, predict(x) as in prediction",
    "trainable_variables": "weights is the dictionary of all arrays",
    "train_step": "use train_on_batch(x, y), or forward, the pullback and update",
    "zero_grad": "each pullback returns new gradients; nothing is accumulated",
}


def explain_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function with errors that explain its arguments: ConfigError for unknown and missing ones."""

    @functools.wraps(function)
    def explained(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError:
            signature = inspect.signature(function)
            owner = _owner(function)
            refuse_unknown(owner, kwargs, signature.parameters)
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                given = {*[*signature.parameters][: len(args)], *map(str, kwargs)}
                raise ConfigError(f"{owner}() {error}{_required(signature, given)}") from None
            raise

    return explained


def _owner(function: Callable[..., object]) -> str:
    """Return the name by which a function is called: of a constructor, that of its class."""
    *outer, name = function.__qualname__.split(".")
    return outer[-1] if name == "__init__" and outer else name


def refuse_signature(owner: str, function: Callable[..., object], arguments: Sequence[str]) -> None:
    """Raise ConfigError if a user's function cannot be called with these positional ``arguments``; ``owner`` is its place."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some functions in C, the signature is not known
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        name = getattr(function, "__name__", type(function).__name__)
        called = f"{name}({', '.join(arguments)})"
        raise ConfigError(f"{owner}: the function is called as {called}, which does not fit: {error}") from None


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


def instead(name: str, table: Mapping[str, str]) -> str:
    """Return the end of a message about a name that does not exist: what NAMES or OF_MODELS has in its place."""
    text = table.get(name.lower())
    return f"; {text}" if text else ""


def _normalized(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "").replace(" ", "")
