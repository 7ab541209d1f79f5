"""Is a network just the composition of its layers?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import CrossEntropy, Dense, Layer, ReLU, Sequential, Sigmoid, Softmax
from pellucid.core.rng import generator
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.lab.reference_pass import forward_backward
from pellucid.model.activations import activations
from pellucid.plots import network_diagram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYERS: dict[str, tuple[str, Layer]] = {
    "dense1": ("X W + b", Dense(5)),
    "sigmoid1": ("1/(1 + e⁻ˣ), elementwise", Sigmoid()),
    "dense2": ("X W + b", Dense(3)),
    "softmax1": ("eˣⁱ / Σⱼ eˣʲ, over the vector", Softmax()),
}
INPUTS = 4
AFFECTED = {"dense1": 5, "sigmoid1": 1, "dense2": 3, "softmax1": 3}  # how many outputs one input should change


def measure(trial: Trial) -> Result:
    x = generator(trial.seed, "inputs").normal(size=(trial.pick(full=1000, quick=100, tiny=5), INPUTS))
    network = Sequential(*(layer for _, layer in LAYERS.values()))
    model = network.compile((INPUTS,), CrossEntropy(), seed=trial.seed)
    inside, found, y = activations(model, x.astype(np.float32)), {}, x.astype(np.float32).astype(float)
    for name, (_, layer) in LAYERS.items():
        weights = {path.removeprefix(f"{name}."): w for path, w in model.weights.items() if path.startswith(name)}
        x_in, moved = y, y.copy()
        moved[:, 0] += 0.1
        if weights:
            y = x_in @ weights["W"].astype(float) + weights["b"]
        elif name == "sigmoid1":
            y = 1 / (1 + np.exp(-x_in))
        else:
            y = np.exp(x_in) / np.exp(x_in).sum(axis=1, keepdims=True)
        one, other = (forward_backward(layer, weights, values, np.ones_like)[0] for values in (x_in, moved))
        found[name] = {
            "alone": float(np.abs(one - y).max()),
            "in the network": float(np.abs(inside[name] - y).max()),
            "changed outputs": int((one != other).any(axis=0).sum()),
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    error = max(max(result[name]["in the network"], result[name]["alone"]) for result in results for name in LAYERS)
    changed = {name: {result[name]["changed outputs"] for result in results} for name in LAYERS}
    reason = (
        f"layers computed by hand, each from the output of the previous one, differ from the network by at most {error:.0e}; "
        f"one input changes {', '.join(f'{max(changed[name])} outputs of {name}' for name in LAYERS)}".replace(
            " 1 outputs", " 1 output"
        )
    )
    right = all(changed[name] == {AFFECTED[name]} for name in LAYERS)
    return Verdict("holds" if error < 1e-5 and right else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, (formula, layer) in LAYERS.items():
        alone, inside_errors, changed = (
            [result[name][what] for result in results] for what in ("alone", "in the network", "changed outputs")
        )
        rows.append((repr(layer), formula, spread(alone, ".0e"), spread(inside_errors, ".0e"), str(max(changed))))
    return Table(
        ("layer", "formula", "error, layer alone (float64)", "error, in the network (float32)", "outputs changed by one input"),
        tuple(rows),
    )


def figure(results: Sequence[Result]) -> Figure:
    return network_diagram(
        {
            "a sequential network": (Sequential(*(layer for _, layer in LAYERS.values())), (INPUTS,)),
            "a dense layer": (Dense(4), (3,)),
            "an activation layer": (ReLU(), (4,)),
        }
    )


EXPERIMENT = Experiment(
    question="Is a network just the composition of its layers?",
    codes=("R1", "R2", "R3", "R17"),
    chapter="Neurons and functions",
    claim=(
        "The output of a layer is the input of the next, Y_N = X_(N+1). In a dense layer every input is connected to "
        "every output. An activation layer works elementwise, except softmax, which works on the whole vector."
    ),
    source="Student report, section 3, with its figures 1 to 3",
    criterion=(
        "In every run each layer computed by hand is within 1e-5 of the library's layer, alone and inside the network, "
        "and one input changes all outputs of a dense layer and of softmax, and one output of the sigmoid."
    ),
    mathematics="""
A layer is a function of a vector. A dense layer with n inputs and m outputs has n·m weights and m biases,

    Y = X W + b,   yⱼ = Σᵢ xᵢ wᵢⱼ + bⱼ

with the samples as the rows of X. An activation has no parameters. The network is the composition Y =
f₄(f₃(f₂(f₁(X)))). A layer needs only X in the forward pass and the upstream gradient dC/dY in the backward pass, for
which it returns dC/dX. Layers can therefore be written, tested and combined independently.

Softmax divides by a sum over all outputs, so each output depends on every input, as in a dense layer but without weights.
""",
    alt=(
        "Three diagrams of circles and lines: a network of four layers; a dense layer with lines from each of 3 circles "
        "to each of 4; an activation layer with four parallel lines."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
