"""Does the student report's best network reach the reported results?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid import SGD, Accuracy, CrossEntropy, Dense, Flatten, GlorotUniform, He, ReLU, Sequential, Softmax
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REPORTED = {"validation": (0.9710, 0.097), "test": (0.9731, 0.091)}
WITHIN = 0.005  # accuracy: 2.6 standard errors of a fraction of 0.97 of 10,000, and about the range over seeds and splits
EPOCHS = 15


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=None, quick=6000, tiny=300), trial.pick(full=None, quick=1000, tiny=100))
    network = Sequential(Flatten(), Dense(256, He()), ReLU(), Dense(256, He()), ReLU(), Dense(10, GlorotUniform()), Softmax())
    model = network.compile((28, 28, 1), CrossEntropy(), SGD(0.04), [Accuracy()], seed=trial.seed)
    history = model.fit(
        data.train, validation=data.validation, epochs=EPOCHS, batch_size=100, exact_training_metrics=True, progress=False
    )
    curves = {f"{part}_{what}": history[f"{part}_{what}"] for part in ("train", "validation") for what in ("loss", "accuracy")}
    return {"curves": curves, "test": model.evaluate(data.test), "parameters": model.parameter_count}


def _final(results: Sequence[Result], part: str, what: str) -> list[float]:
    return [result["test"][what] if part == "test" else result["curves"][f"{part}_{what}"][-1] for result in results]


def verdict(results: Sequence[Result]) -> Verdict:
    accuracy, loss = (statistics.median(_final(results, "test", what)) for what in ("accuracy", "loss"))
    close = abs(accuracy - REPORTED["test"][0]) <= WITHIN
    reason = (
        f"the median test accuracy is {100 * accuracy:.2f} % (student report: 97.31 %), the test loss is {loss:.3f} (student "
        "report: 0.091)"
    )
    return Verdict("holds" if close else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for part in ("train", "validation", "test"):
        accuracy, loss = REPORTED.get(part, (None, None))
        rows.append(
            (
                "training" if part == "train" else part,
                percent(_final(results, part, "accuracy")),
                "–" if accuracy is None else f"{100 * accuracy:.2f} %",
                spread(_final(results, part, "loss"), ".3f"),
                "–" if loss is None else f"{loss:.3f}",
            )
        )
    return Table(("data set", "accuracy", "accuracy, student report", "loss (nats)", "loss, student report"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    def curves(what: str, factor: float) -> dict[str, list[list[float]]]:
        both = {"training": "train", "validation": "validation"}
        return {name: [[factor * v for v in one["curves"][f"{part}_{what}"]] for one in results] for name, part in both.items()}

    panels = {"loss (nats)": curves("loss", 1), "accuracy (%)": curves("accuracy", 100)}
    return over_seeds(panels, range(1, EPOCHS + 1), "epoch")


EXPERIMENT = Experiment(
    question="Does the student report's best network reach the reported results?",
    codes=("R12", "R8", "R9", "R10"),
    chapter="Results of the student report",
    claim=(
        "784-256-256-10 with ReLU, gradient descent at 0.04, batches of 100, 15 epochs: an accuracy of 97.10 % and a loss "
        "of 0.097 on the validation set, 97.31 % and 0.091 on the test set."
    ),
    source="Student report, section 12.3.2 (Greatfitting)",
    criterion="The median test accuracy over the seeds differs from the reported one by at most half a percentage point.",
    mathematics="""
The network is the composition of three affine maps with ReLU between them and a softmax at the end:

    a₁ = max(0, x W₁ + b₁)    a₂ = max(0, a₁W₂ + b₂)    ŷ = softmax(a₂W₃ + b₃)

It has 784·256 + 256 + 256·256 + 256 + 256·10 + 10 = 269,322 parameters. The loss is the mean of −log ŷ of the true class.
Each step moves against the gradient of the mean over a batch of 100: θ ← θ − 0.04 ∂C/∂θ. 15 epochs of 55,000 digits are
8,250 steps.

A fraction p measured on n samples has a standard error of √(p(1−p)/n): 0.16 percentage points for 97.3 % of 10,000. A
difference of less than two standard errors is not evidence that two networks differ. The student report does not state the
size of its validation set, so its network may have been trained on more than the 55,000 digits used here.
""",
    alt=(
        "Loss and accuracy by epoch on the training and validation sets. Both losses fall together; the accuracies rise "
        "to about 97.5 %."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
)
