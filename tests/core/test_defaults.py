"""The defaults of all settings, on which programs and the formulas of the documentation rely, and what classes state."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from pellucid import AdamW
from pellucid.core.config import Config, registered_classes
from pellucid.layers import Layer, Merge
from pellucid.losses import Loss
from pellucid.metrics import Metric
from pellucid.optim import Schedule
from pellucid.optim.chain import Component

KINDS = (Layer, Merge, Loss, Metric, Component, Schedule)
RECURRENT = (
    "return_sequences=False, mask=None, init=GlorotUniform(), recurrent_init=Orthogonal(), return_state=False, "
    "learn_state=False, recurrent_dropout=0.0"
)
DEFAULTS = {
    # layers
    "AlphaDropout": "rate=0.5",
    "Attention": "causal=False, dropout=0.0, rotary=False, bias=True, init=GlorotUniform(), output_init=GlorotUniform()",
    "AveragePool1D": "kernel_size=2, stride=None, padding='valid'",
    "AveragePool2D": "kernel_size=2, stride=None, padding='valid'",
    "BatchNorm": "momentum=0.9, epsilon=1e-05",
    "Conv1D": "stride=1, padding='valid', dilation=1, groups=1, init=He(), bias=True",
    "Conv2D": "stride=1, padding='valid', dilation=1, groups=1, init=He(), bias=True",
    "ConvTranspose2D": "stride=1, padding='valid', dilation=1, groups=1, init=He(), bias=True",
    "Crop1D": "border=1",
    "Crop2D": "border=1",
    "CrossAttention": "causal=False, dropout=0.0, bias=True, init=GlorotUniform(), output_init=GlorotUniform()",
    "DensePerPosition": "init=LeCun()",
    "Dense": "init=He(), bias=True",
    "Dropout": "rate=0.5",
    "ELU": "alpha=1.0",
    "Embedding": "padding=None, init=Uniform()",
    "GELU": "approximate=False",
    "GRU": RECURRENT,
    "Graph": "inputs=('input',), outputs=None",
    "GroupNorm": "epsilon=1e-05",
    "LSTM": RECURRENT,
    "LayerNorm": "epsilon=1e-05, bias=True",
    "LeakyReLU": "slope=0.01",
    "LearnedPositions": "init=Normal(sigma=0.02)",
    "LearnedScale": "init=Ones()",
    "MaxPool1D": "kernel_size=2, stride=None, padding='valid'",
    "MaxPool2D": "kernel_size=2, stride=None, padding='valid'",
    "Parametric": "init=Ones()",
    "Periodic": "waves=16, sigma=0.1",
    "PReLU": "init=Constant(value=0.25)",
    "RMSNorm": "epsilon=1e-05",
    "Rescale": "scale=1.0, offset=0.0",
    "SimpleRNN": RECURRENT,
    "SinusoidalPositions": "longest=10000.0",
    "Slice": "start=0, stop=None, axis=-1",
    "SpatialDropout2D": "rate=0.5",
    "SwiGLU": "init=LeCun(), bias=False",
    "Unembedding": "init=Uniform()",
    "UpSample1D": "factor=2, interpolation='nearest'",
    "UpSample2D": "factor=2, interpolation='nearest'",
    "ZeroPad1D": "padding=1",
    "ZeroPad2D": "padding=1",
    # merges
    "Concatenate": "axis=-1",
    # losses
    "BinaryCrossEntropy": "pos_weight=1.0",
    "BinaryFocalCrossEntropy": "gamma=2.0, alpha=None",
    "CrossEntropy": "smoothing=0.0",
    "GaussianNLL": "epsilon=1e-06",
    "Huber": "delta=1.0",
    "LogSquaredError": "unit=1.0",
    "MeanSquaredError": "unit=1.0",
    "Quantile": "levels=0.5",
    "Triplet": "margin=1.0",
    # metrics
    "Accuracy": "threshold=0.5",
    "AveragePrecision": "label=None, average='macro'",
    "BitsPerCharacter": "lengths=None",
    "CalibrationError": "bins=15",
    "CohenKappa": "threshold=0.5",
    "ConfusionMatrix": "threshold=0.5",
    "Dice": "threshold=0.5, label=None, average=None",
    "ExactMatch": "threshold=0.5",
    "F1": "threshold=0.5, label=None, average=None",
    "FBeta": "threshold=0.5, label=None, average=None",
    "IntersectionOverUnion": "threshold=0.5, label=None, average=None",
    "Matthews": "threshold=0.5",
    "Precision": "threshold=0.5, label=None, average=None",
    "ROCAUC": "label=None, average='macro'",
    "Recall": "threshold=0.5, label=None, average=None",
    "Specificity": "threshold=0.5, label=None, average=None",
    "TopKAccuracy": "k=5",
    # optimizers
    "Adadelta": "learning_rate=1.0, rho=0.9, epsilon=1e-06",
    "Adagrad": "learning_rate=0.01, initial=0.0, epsilon=1e-10",
    "Adam": "learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08, amsgrad=False",
    "Adamax": "learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-08",
    "LBFGS": "memory=10, gradient_tolerance=1e-05, decrease_tolerance=2.2e-09, max_evaluations=20",
    "Lion": "learning_rate=0.0001, beta1=0.9, beta2=0.99",
    "Muon": "learning_rate=0.001, momentum=0.95, beta1=0.9, beta2=0.999, epsilon=1e-08",
    "Nadam": "learning_rate=0.002, beta1=0.9, beta2=0.999, epsilon=1e-08, momentum_decay=0.004",
    "RAdam": "learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-08",
    "RMSprop": "learning_rate=0.01, alpha=0.99, epsilon=1e-08, momentum=0.0, centered=False",
    "Rprop": "learning_rate=0.01, decrease=0.5, increase=1.2, shortest=1e-06, longest=50.0",
    "SGD": "learning_rate=0.01, momentum=0.0, nesterov=False",
    # schedules
    "Cosine": "end=0.0",
    "CosineCycles": "cycles=4",
    "Exponential": "factor=0.9",
    "InverseTime": "decay=1.0",
    "MilestoneDecay": "factor=0.1",
    "OneCycle": "warmup=0.3",
    "Polynomial": "end=0.0, power=1.0",
    "StepDecay": "factor=0.1, every=10",
    "WarmRestarts": "period=10.0, factor=1.0, end=0.0",
    "WarmUp": "epochs=1.0",
}

# What classes state about themselves, beside their settings: the classes for which it is true, or the value of each.
FACTS = {
    "positionwise": """Add AlphaDropout Average BatchNorm Dense Dropout ELU Embedding Exp GELU GaussianNoise HardSigmoid
        HardSwish Identity LayerNorm LeakyReLU LearnedPositions LogSoftmax Maximum Mish Multiply PReLU Parametric RMSNorm
        ReLU ReLU6 Rescale SELU SiLU Sigmoid SinusoidalPositions Softmax Softplus Subtract SwiGLU Tanh Unembedding""",
    "gradient_of_x": "ELU GELU HardSwish Mish SELU SiLU",
    "classifies": "BinaryCrossEntropy BinaryFocalCrossEntropy CrossEntropy Hinge KLDivergence",
    "multi_label": "BinaryCrossEntropy BinaryFocalCrossEntropy",
    "numeric": "GaussianNLL Quantile",
    "compares_samples": "Triplet",
    "by_slot": "MaxNorm Muon",
    "only_decayed": "Decay ElasticNet L1 L2 MaxNorm",
    "full_batch": "LBFGS",
    "uses_rate": "Adadelta Adagrad Adam Adamax Decay Lion Muon Nadam RAdam RMSprop Rprop SGD",
}


def classes():
    return {name: cls for kind in KINDS for name, cls in registered_classes(kind).items() if "tests" not in cls.__module__}


def test_defaults():
    found = {}
    for name, cls in classes().items():
        fields = [field for field in dataclasses.fields(cls) if field.default is not dataclasses.MISSING]
        if fields:
            found[name] = ", ".join(f"{field.name}={field.default!r}" for field in fields)
    assert found == DEFAULTS
    assert str(inspect.signature(AdamW)).startswith(
        "(learning_rate: 'float | Schedule' = 0.001, decay: 'float' = 0.01, beta1: 'float' = 0.9, beta2: 'float' = 0.999, "
        "epsilon: 'float' = 1e-08, amsgrad: 'bool' = False)"
    )


@pytest.mark.parametrize("fact", FACTS)
def test_what_classes_state(fact):
    assert {name for name, cls in classes().items() if getattr(cls, fact, False)} == set(FACTS[fact].split())
    for kind in (*KINDS, Config):
        assert not getattr(kind, fact, False), "what is not stated is false"


def test_losses_diverge_at_their_limit():
    certain = {"BinaryCrossEntropy", "BinaryFocalCrossEntropy", "CrossEntropy", "KLDivergence"}
    for name, loss in registered_classes(Loss).items():
        assert loss.divergence_limit == (1e6 if name in certain else 3.4e38)
