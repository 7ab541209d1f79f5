"""Is minimizing the cross-entropy the same as maximizing the likelihood?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pellucid import SGD, Adam, CrossEntropy, Dense, EpochEvent, FitOptions, Flatten, ReLU, Sequential, Softmax
from pellucid.core.memory import Array
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, spread
from pellucid.plots.style import BLUE, GREY, VERMILION, blank_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def log_likelihood(probabilities: Array) -> float:
    """Return log Π q. The product is computed as m·2ᵉ, because a float cannot represent it."""
    m, e = 1.0, 0
    for q in probabilities:
        m, shift = math.frexp(m * float(q))
        e += shift
    return math.log(m) + e * math.log(2)


def measure(trial: Trial) -> Result:
    train, validation = trial.pick(full=(10_000, 2000), quick=(2000, 500), tiny=(100, 50))
    digits = trial.digits(train, validation)
    validation_set, labels, epochs = digits.validation, np.asarray(digits.validation.y), trial.pick(full=10, quick=5, tiny=2)
    network = Sequential(Flatten(), Dense(32), ReLU(), Dense(10), Softmax())
    model = network.compile((28, 28, 1), CrossEntropy(), Adam(0.002), seed=trial.seed)
    found: Result = {"cross-entropy": [], "likelihood": []}
    for event in model.fit_events(digits.train, options=FitOptions(epochs=epochs, batch_size=50), validation=validation_set):
        if isinstance(event, EpochEvent) and event.validation is not None:
            q = model.predict(validation_set.x)[np.arange(validation), labels]
            found["cross-entropy"].append(float(event.validation["loss"]))
            found["likelihood"].append(-log_likelihood(q) / len(q))
    found["plain product"] = float(np.prod(q.astype(float)))
    y = labels // 4  # three classes of 4, 4 and 2 digits
    constant_x, counts = np.ones((len(y), 1), np.float32), np.bincount(y, minlength=3) / len(y)
    prior = Sequential(Dense(3), Softmax()).compile((1,), CrossEntropy(), SGD(0.5), seed=trial.seed)
    prior.fit(constant_x, y, epochs=trial.pick(full=300, quick=300, tiny=100), batch_size=len(y), progress=False)
    found |= {"counts": counts.tolist(), "fitted": prior.predict(constant_x[:1])[0].tolist()}
    found |= {"entropy": float(-(counts * np.log(counts)).sum()), "smallest": prior.evaluate(constant_x, y)["loss"]}
    return found


def differences(result: Result) -> tuple[float, float]:
    """Return the largest difference between loss and −log-likelihood, and between fitted probabilities and frequencies."""
    losses = max(abs(a - b) for a, b in zip(result["cross-entropy"], result["likelihood"], strict=True))
    return losses, max(abs(a - b) for a, b in zip(result["counts"], result["fitted"], strict=True))


def verdict(results: Sequence[Result]) -> Verdict:
    losses, probabilities = (max(both) for both in zip(*map(differences, results), strict=True))
    reason = (
        f"after every epoch the loss and −log(likelihood)/D differ by at most {losses:.0e} nats; where the maximum of the "
        f"likelihood is known, the fitted probabilities end within {probabilities:.0e} of it"
    )
    return Verdict("holds" if losses < 1e-4 and probabilities < 0.005 else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    losses, likelihoods = ([result[what][-1] for result in results] for what in ("cross-entropy", "likelihood"))
    probabilities = (spread(map(math.exp, (-value for value in values)), ".3f") for values in (losses, likelihoods))
    biases = (spread((result[what] for result in results), ".4f") for what in ("smallest", "entropy"))
    rows = (
        ("digits, last epoch: J and −log(likelihood)/D (nats)", spread(losses, ".4f"), spread(likelihoods, ".4f")),
        ("digits, last epoch: probability per label, geometric mean", *probabilities),
        ("biases only: final J and entropy of the labels (nats)", *biases),
        ("likelihood of all labels, product in float64", "–", spread((r["plain product"] for r in results), ".0e")),
    )
    return Table(("quantity", "from the cross-entropy", "from the likelihood"), rows)


def figure(results: Sequence[Result]) -> Figure:
    made, (left, right) = blank_figure(8.6, 3.5, 2)
    epochs = range(1, len(results[0]["cross-entropy"]) + 1)
    left.plot(epochs, results[0]["cross-entropy"], color=BLUE, label="cross-entropy")
    left.plot(epochs, results[0]["likelihood"], "s", color=VERMILION, label="−log(likelihood)/D")
    left.set(xlabel="epoch", ylabel="loss on the validation set (nats)", title="a network on digits")
    look = {"color": "white", "edgecolor": VERMILION, "hatch": "//"}
    right.bar(np.arange(3) - 0.2, results[0]["counts"], 0.38, color=GREY, label="frequency in the data")
    right.bar(np.arange(3) + 0.2, results[0]["fitted"], 0.38, label="fitted probability", **look)
    right.set(xticks=range(3), xlabel="class (digits 0–3, 4–7, 8–9)", ylabel="probability", ylim=(0, 0.6))
    right.set_title("a network with biases only")
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return made


EXPERIMENT = Experiment(
    question="Is minimizing the cross-entropy the same as maximizing the likelihood?",
    codes=("L2",),
    chapter="Learning",
    claim=(
        "The logarithm of the likelihood, divided by the number of samples, is −J. Minimizing the cross-entropy J is "
        "maximizing the likelihood of the parameters."
    ),
    source="Introduction to deep learning, slide on the loss function and its connection to maximum likelihood",
    criterion=(
        "After every epoch of every run, J on the validation set and −log(likelihood)/D, multiplied out from the "
        "predictions, agree within 1e-4 nats; and a network with biases only ends within 0.005 of the class frequencies, "
        "where the likelihood is greatest."
    ),
    mathematics="""
A model with class probabilities q(c) assigns D independent labels the likelihood ℒ = Π q(yᵢ). Its logarithm is a sum,

    (1/D) log ℒ = (1/D) Σᵢ log q(yᵢ) = −J

which is the negative cross-entropy of the labels. The logarithm is increasing, so both have their optimum at the same
parameters. A product of thousands of probabilities soon falls below the smallest float64, near 10⁻³⁰⁸; here the product is
computed with a separate exponent.

exp(−J) is the geometric mean of the probabilities that the model assigns to the labels: 0.5 is as good as guessing between
two classes.

One case has a closed-form solution. Without inputs, q is one number per class. The likelihood Π q_c^(D p_c) is greatest
where q = p, the class frequencies. J is then the entropy of the labels, which is the minimum over all q.
""",
    alt=(
        "Left: cross-entropy by epoch, equal to the negative log-likelihood. Right: fitted probabilities equal to the "
        "class frequencies."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
