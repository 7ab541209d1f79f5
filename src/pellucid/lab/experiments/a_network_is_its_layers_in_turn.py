"""Is a network nothing but its layers, one after the other?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import CrossEntropy, Dense, Layer, ReLU, Sequential, Sigmoid, Softmax
from pellucid.core.rng import generator
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.lab.passes import there_and_back
from pellucid.model.activations import activations
from pellucid.plots import network_diagram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAYERS: dict[str, tuple[str, Layer]] = {
    "dense1": ("X W + b", Dense(5)),
    "sigmoid1": ("1/(1 + e⁻ˣ), each number", Sigmoid()),
    "dense2": ("X W + b", Dense(3)),
    "softmax1": ("eˣⁱ / Σⱼ eˣʲ, the vector", Softmax()),
}
INPUTS = 4
FEEL = {"dense1": 5, "sigmoid1": 1, "dense2": 3, "softmax1": 3}  # outputs that one input should change


def measure(trial: Trial) -> Result:
    x = generator(trial.seed, "inputs").normal(size=(trial.pick(full=1000, quick=100, tiny=5), INPUTS))
    network = Sequential(*(layer for _, layer in LAYERS.values()))
    model = network.compile((INPUTS,), CrossEntropy(), seed=trial.seed)
    seen, found, y = activations(model, x.astype(np.float32)), {}, x.astype(np.float32).astype(float)
    for name, (_, layer) in LAYERS.items():
        weights = {path.removeprefix(f"{name}."): w for path, w in model.weights.items() if path.startswith(name)}
        given, moved = y, y.copy()
        moved[:, 0] += 0.1
        if weights:
            y = given @ weights["W"].astype(float) + weights["b"]
        elif name == "sigmoid1":
            y = 1 / (1 + np.exp(-given))
        else:
            y = np.exp(given) / np.exp(given).sum(axis=1, keepdims=True)
        one, other = (there_and_back(layer, weights, values, np.ones_like)[0] for values in (given, moved))
        found[name] = {
            "alone": float(np.abs(one - y).max()),
            "in the network": float(np.abs(seen[name] - y).max()),
            "felt": int((one != other).any(axis=0).sum()),
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    far = max(max(result[name]["in the network"], result[name]["alone"]) for result in results for name in LAYERS)
    felt = {name: {result[name]["felt"] for result in results} for name in LAYERS}
    because = (
        f"layers written out by hand and fed each with what the one before gave are at most {far:.0e} away from the network; "
        f"one input changes {', '.join(f'{max(felt[name])} outputs of {name}' for name in LAYERS)}".replace(
            " 1 outputs", " 1 output"
        )
    )
    right = all(felt[name] == {FEEL[name]} for name in LAYERS)
    return Verdict("holds" if far < 1e-5 and right else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, (formula, layer) in LAYERS.items():
        alone, within, felt = ([result[name][what] for result in results] for what in ("alone", "in the network", "felt"))
        rows.append((repr(layer), formula, spread(alone, ".0e"), spread(within, ".0e"), str(max(felt))))
    return Table(
        ("layer", "by hand", "difference, layer alone (float64)", "in the network (float32)", "outputs that one input changes"),
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
    question="Is a network nothing but its layers, one after the other?",
    codes=("R1", "R2", "R3", "R17"),
    chapter="Neurons and functions",
    claim=(
        "The output of a layer is the input of the next, Y_N = X_(N+1). In a dense layer every input is connected with every "
        "output; an activation layer treats each number by itself, but for softmax, which takes the whole vector."
    ),
    source="The report, section 3, with its figures 1 to 3",
    criterion=(
        "In every run each layer written out by hand is within 1e-5 of the library's, alone and inside the network, and one "
        "input changes all outputs of a dense layer and of softmax, and one output of the sigmoid."
    ),
    mathematics=(
        "A layer is a function of a vector. A dense one with n inputs and m outputs has n·m weights and m biases,\n\n"
        "    Y = X W + b,   yⱼ = Σᵢ xᵢ wᵢⱼ + bⱼ\n\n"
        "with the samples as the rows of X. An activation has none: it only bends. The network is their composition, Y = "
        "f₄(f₃(f₂(f₁(X)))), and all that a layer has to know of the others is what it is handed: an X on the way there, and "
        "dC/dY on the way back, for which it returns dC/dX. Therefore layers can be written, tested and put together one at "
        "a time.\n\n"
        "Softmax divides by a sum over all outputs, so each output depends on each input, as in a dense layer, but without "
        "weights."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt=(
        "Three diagrams of circles and lines: a network of four layers, a dense layer with lines from each of 3 to each of 4 "
        "circles, an activation layer with four lines side by side."
    ),
    seeds=3,
)
