"""Does a batch size of 5 cause overfitting?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid import SGD, Accuracy, CrossEntropy, Dense, Flatten, GlorotUniform, He, ReLU, Sequential, Softmax
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALL, LARGE, FAR = "batch 5, rate 0.04", "batch 100, rate 0.04", "batch 100, rate 0.8"
ARMS = {SMALL: (5, 0.04), LARGE: (100, 0.04), FAR: (100, 0.8)}
EPOCHS = 30


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=None, quick=600, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    found = {}
    for name, (batch, rate) in ARMS.items():
        layers = Flatten(), Dense(256, He()), ReLU(), Dense(256, He()), ReLU(), Dense(10, GlorotUniform()), Softmax()
        model = Sequential(*layers).compile((28, 28, 1), CrossEntropy(), SGD(rate), [Accuracy()], seed=trial.seed)
        history = model.fit(data.train, validation=data.validation, epochs=EPOCHS, batch_size=batch, progress=False)
        found[name] = {column: history[column] for column in history.columns if "_" in column and "rate" not in column}
    return found


def _overfits(one: Result) -> bool:
    """Return whether a run overfits: perfect on the training set, not on the validation set, whose loss has risen again."""
    loss = one["validation_loss"]
    return one["train_accuracy"][-1] >= 0.999 and one["validation_accuracy"][-1] < 0.99 and loss[-1] > 1.1 * min(loss)


def verdict(results: Sequence[Result]) -> Verdict:
    counts = {name: sum(_overfits(result[name]) for result in results) for name in ARMS}
    ends = [f"{100 * median(results, SMALL, f'{part}_accuracy', -1):.2f} %" for part in ("train", "validation")]
    reason = (
        f"with batches of 5 the training accuracy ends at {ends[0]} and the validation accuracy at {ends[1]}, and "
        f"{counts[SMALL]} of {len(results)} runs overfit; with batches of 100, {counts[LARGE]} runs overfit at the same "
        f"learning rate and {counts[FAR]} at 20 times that rate"
    )
    if counts[SMALL] < len(results):
        return Verdict("does not hold", reason)
    return Verdict("depends" if counts[FAR] or counts[LARGE] else "holds", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in ARMS:
        each = [result[name] for result in results]
        cells = [percent(one[f"{part}_accuracy"][-1] for one in each) for part in ("train", "validation")]
        lowest = spread((min(one["validation_loss"]) for one in each), ".3f")
        rows.append((name, *cells, lowest, spread((one["validation_loss"][-1] for one in each), ".3f")))
    rows.append(("student report, batch 5", "100 %", "about 98 %", "–", "stable"))
    columns = (
        "30 epochs with",
        "training accuracy",
        "validation accuracy",
        "lowest validation loss (nats)",
        "final validation loss",
    )
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    def curves(column: str, factor: float = 1) -> dict[str, list[list[float]]]:
        return {name: [[factor * v for v in result[name][column]] for result in results] for name in ARMS}

    panels = {
        "training loss (nats)": curves("train_loss"),
        "validation loss (nats)": curves("validation_loss"),
    }
    return over_seeds(panels, range(1, EPOCHS + 1), "epoch", log=["training loss (nats)"])


EXPERIMENT = Experiment(
    question="Does a batch size of 5 cause overfitting?",
    codes=("R11",),
    chapter="Results of the student report",
    claim=(
        "With batches of 5 and 30 epochs the training accuracy reaches 100 %, the validation accuracy hardly exceeds 98 "
        "%, the training loss goes to 0 and the validation loss does not fall with it."
    ),
    source=(
        "Student report, section 12.3.1 (Overfitting). It does not state the network and the learning rate; those of its "
        "best network are used here"
    ),
    criterion=(
        "In every run with batches of 5 the training accuracy ends at 99.9 % or more, the validation accuracy below 99 %, "
        "and the validation loss more than 10 % above its minimum. It depends if a run with batches of 100 does the same, "
        "at this learning rate or at 20 times this rate: then the cause is the distance covered by descent, not the batch "
        "size."
    ),
    mathematics="""
A step moves the parameters by η times the mean gradient of its batch. An epoch of N samples has N/b steps, so descent
covers a distance of about N·η/b per epoch: batches of 5 at a learning rate of 0.04 go as far as batches of 100 at 0.8.
Their noise is similar too, because its scale grows with η/b (Smith and Le, 2018). The batch size alone therefore says
little; η/b and the number of epochs determine how far training goes.

Once every training digit is classified correctly, the loss still falls if the weights grow and the predictions become more
confident. On misclassified digits a more confident network pays more: −log ŷ of the true class grows. The validation loss
then rises again while the accuracy stays the same.
""",
    alt=(
        "Training and validation loss by epoch. For batches of 5, and for batches of 100 at 20 times the learning rate, "
        "the training loss falls to nearly 0 and the validation loss rises again. For batches of 100 at the same learning "
        "rate it does not."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=5,
)
