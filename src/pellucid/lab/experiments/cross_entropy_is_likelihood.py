"""Is the cross-entropy of a fitted model the likelihood of its data, and its minimum the maximum of that?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import SGD, Adam, CrossEntropy, Dense, EpochEvent, Flatten, ReLU, Sequential, Softmax
from pellucid.core.memory import Array
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.plots.style import BLUE, GREY, VERMILION, figure as blank

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def log_likelihood(chances: Array) -> float:
    """log Π q, the product truly multiplied: as m·2ᵉ, for a float cannot hold it."""
    m, e = 1.0, 0
    for q in chances:
        m, shift = math.frexp(m * float(q))
        e += shift
    return math.log(m) + e * math.log(2)


def measure(trial: Trial) -> Result:
    train, validation = trial.pick(full=(10_000, 2000), quick=(2000, 500), tiny=(100, 50))
    digits = trial.digits(train, validation)
    held, labels, epochs = digits.validation, np.asarray(digits.validation.y), trial.pick(full=10, quick=5, tiny=2)
    network = Sequential(Flatten(), Dense(32), ReLU(), Dense(10), Softmax())
    model = network.compile((28, 28, 1), CrossEntropy(), Adam(0.002), seed=trial.seed)
    found: Result = {"cross-entropy": [], "likelihood": []}
    for event in model.fit_events(digits.train, validation=held, epochs=epochs, batch_size=50):
        if isinstance(event, EpochEvent) and event.validation is not None:
            q = model.predict(held.x)[np.arange(validation), labels]
            found["cross-entropy"].append(float(event.validation["loss"]))
            found["likelihood"].append(-log_likelihood(q) / len(q))
    found["plain product"] = float(np.prod(q.astype(float)))
    y = labels // 4  # three kinds, of 4, 4 and 2 digits
    blank_x, counts = np.ones((len(y), 1), np.float32), np.bincount(y, minlength=3) / len(y)
    prior = Sequential(Dense(3), Softmax()).compile((1,), CrossEntropy(), SGD(0.5), seed=trial.seed)
    prior.fit(blank_x, y, epochs=trial.pick(full=300, quick=300, tiny=100), batch_size=len(y), progress=False)
    found |= {"counts": counts.tolist(), "fitted": prior.predict(blank_x[:1])[0].tolist()}
    found |= {"entropy": float(-(counts * np.log(counts)).sum()), "smallest": prior.evaluate(blank_x, y)["loss"]}
    return found


def apart(result: Result) -> tuple[float, float]:
    """The largest difference between loss and −log-likelihood, and between fitted chances and frequencies."""
    losses = max(abs(a - b) for a, b in zip(result["cross-entropy"], result["likelihood"], strict=True))
    return losses, max(abs(a - b) for a, b in zip(result["counts"], result["fitted"], strict=True))


def verdict(results: Sequence[Result]) -> Verdict:
    losses, chances = (max(both) for both in zip(*map(apart, results), strict=True))
    because = (
        f"after every epoch loss and −log(likelihood)/D differ by at most {losses:.0e} nats; where the likelihood's maximum "
        f"is known, the fitted chances end at most {chances:.0e} from it"
    )
    return Verdict("holds" if losses < 1e-4 and chances < 0.005 else "does not hold", because)


def table(results: Sequence[Result]) -> Table:
    losses, likelihoods = ([result[what][-1] for result in results] for what in ("cross-entropy", "likelihood"))
    chances = (spread(map(math.exp, (-value for value in values)), ".3f") for values in (losses, likelihoods))
    biases = (spread((result[what] for result in results), ".4f") for what in ("smallest", "entropy"))
    rows = (
        ("digits, last epoch: J, and −log(likelihood)/D (nats)", spread(losses, ".4f"), spread(likelihoods, ".4f")),
        ("… as a chance for each label, geometric mean", *chances),
        ("biases alone: J at the end, and the entropy of the labels (nats)", *biases),
        ("likelihood of all labels, multiplied in float64", "–", spread((r["plain product"] for r in results), ".0e")),
    )
    return Table(("", "by the cross-entropy", "by the likelihood"), rows)


def figure(results: Sequence[Result]) -> Figure:
    made, (left, right) = blank(8.6, 3.5, 2)
    epochs = range(1, len(results[0]["cross-entropy"]) + 1)
    left.plot(epochs, results[0]["cross-entropy"], color=BLUE, label="cross-entropy")
    left.plot(epochs, results[0]["likelihood"], "s", color=VERMILION, label="−log(likelihood)/D")
    left.set(xlabel="epoch", ylabel="nats, validation data", title="a network on digits")
    look = {"color": "white", "edgecolor": VERMILION, "hatch": "//"}
    right.bar(np.arange(3) - 0.2, results[0]["counts"], 0.38, color=GREY, label="frequency in the data")
    right.bar(np.arange(3) + 0.2, results[0]["fitted"], 0.38, label="fitted chance", **look)
    right.set(xticks=range(3), xlabel="class (digits 0–3, 4–7, 8–9)", ylabel="probability", ylim=(0, 0.6))
    right.set_title("a network of biases alone")
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return made


EXPERIMENT = Experiment(
    question="Is the least cross-entropy the greatest likelihood?",
    codes=("L2",),
    chapter="Learning",
    claim="The logarithm of the likelihood, divided by the number of samples, is −J: to minimize the cross-entropy J is to "
    "maximize the likelihood of the parameters.",
    source="Introduction to deep learning, the slide on the loss function and its link to maximum likelihood",
    criterion="After every epoch of every run J on validation data and −log(likelihood)/D, multiplied out from the "
    "predictions, are within 1e-4 nats; and a network of biases alone ends within 0.005 of the frequencies, where the "
    "likelihood is greatest.",
    mathematics=(
        "A model that says q(c) for each class gives D independent labels the likelihood ℒ = Π q(yᵢ). Its logarithm is a "
        "sum,\n\n"
        "    (1/D) log ℒ = (1/D) Σᵢ log q(yᵢ) = −J\n\n"
        "and this is the cross-entropy of the labels with the minus sign. Logarithms grow with their argument, so the same "
        "parameters are best for both. And a product of thousands of chances is soon smaller than a float64 can be, near "
        "10⁻³⁰⁸ (so it is multiplied here with its exponent kept apart).\n\n"
        "exp(−J) is the chance that the model gives to a label, in the geometric mean: 0.5 is a coin's guess.\n\n"
        "One case can be solved by hand. Without inputs, q is one number for each class; the likelihood Π q_c^(D p_c) is "
        "greatest where q = p, the frequencies, and J is there the entropy of the labels, which no q can undercut."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    alt="Left: cross-entropy by epoch, and on it the negative log-likelihood. Right: fitted chances equal to the frequencies.",
    seeds=3,
)
