"""What accuracy does the student report's first network reach (784-32-10)?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid import SGD, Accuracy, CrossEntropy, Dense, Flatten, He, ReLU, Sequential, Softmax
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = {"0.01 (student report)": 0.01, "0.04": 0.04, "0.2": 0.2}
EPOCHS = 15
REPORTED = "0.01 (student report)"


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=None, quick=6000, tiny=300), trial.pick(full=None, quick=1000, tiny=100))
    found = {}
    for name, rate in RATES.items():
        network = Sequential(Flatten(), Dense(32, He()), ReLU(), Dense(10, He()), Softmax())
        model = network.compile((28, 28, 1), CrossEntropy(), SGD(rate), [Accuracy()], seed=trial.seed)
        history = model.fit(data.train, validation=data.validation, epochs=EPOCHS, batch_size=100, progress=False)
        found[name] = {
            "accuracy": history["validation_accuracy"],
            "loss": history["validation_loss"],
            "test": model.evaluate(data.test),
        }
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    first, best = (median(results, name, "test", "accuracy") for name in (REPORTED, "0.2"))
    rising = all(result[REPORTED]["accuracy"][-1] > result[REPORTED]["accuracy"][-4] for result in results)
    reason = (
        f"after 15 epochs at 0.01 the test accuracy is {100 * first:.2f} %, and the validation accuracy "
        f"{'is still rising in every run' if rising else 'has stopped rising in at least one run'}; at 0.2 the test accuracy "
        f"is {100 * best:.2f} %"
    )
    return Verdict("holds" if first > 0.85 and rising else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in RATES:
        each = [result[name] for result in results]
        accuracy = percent(one["test"]["accuracy"] for one in each)
        rows.append((name, accuracy, spread((one["test"]["loss"] for one in each), ".3f")))
    return Table(("learning rate", "test accuracy", "test loss (nats)"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    panels = {
        "validation loss (nats)": {name: [result[name]["loss"] for result in results] for name in RATES},
        "validation accuracy (%)": {
            name: [[100 * a for a in result[name]["accuracy"]] for result in results] for name in RATES
        },
    }
    return over_seeds(panels, range(1, EPOCHS + 1), "epoch")


EXPERIMENT = Experiment(
    question="What accuracy does the student report's first network reach (784-32-10)?",
    codes=("R13", "R10", "R6"),
    chapter="Results of the student report",
    claim=(
        "One hidden layer of 32 ReLU units, with He initialization in both layers, learns to classify the digits by "
        "gradient descent at a learning rate of 0.01."
    ),
    source="Student report, section 12.1 (Network declaration), which gives the network and the learning rate but no results",
    criterion=(
        "After 15 epochs with batches of 100, the median test accuracy is above 85 %, and in every run the validation "
        "accuracy is higher than three epochs earlier."
    ),
    mathematics="""
The network has 784·32 + 32 + 32·10 + 10 = 25,450 parameters, a tenth of the student report's best network. After 15 epochs
its accuracy is limited by the distance that descent has covered, not by its size. As long as η is small compared with the
inverse of the curvature, t steps at a learning rate η cover about the same distance as t/10 steps at 10 η. The two larger
learning rates therefore show what 0.01 would reach after four and twenty times as many epochs.

He initialization uses σ = √(2/n_in). It suits layers before a ReLU, which halves the mean square of its input. No ReLU
follows the output layer, so its initial logits are spread more widely than necessary. This costs only a few steps.
""",
    alt=(
        "Validation loss and accuracy by epoch for three learning rates. The smallest rate has the highest loss and is "
        "still improving."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
