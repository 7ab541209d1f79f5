"""Does a batch size of 5 make the network overfit?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pellucid import SGD, Accuracy, CrossEntropy, Dense, Flatten, GlorotUniform, He, ReLU, Sequential, Softmax
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent, spread
from pellucid.plots.lines import over_seeds

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
    """Perfect on what it learned from, not on the rest, and sure of its errors: the validation cost has risen again."""
    loss = one["validation_loss"]
    return one["train_accuracy"][-1] >= 0.999 and one["validation_accuracy"][-1] < 0.99 and loss[-1] > 1.1 * min(loss)


def verdict(results: Sequence[Result]) -> Verdict:
    counts = {name: sum(_overfits(result[name]) for result in results) for name in ARMS}
    ends = [f"{100 * median(results, SMALL, f'{part}_accuracy', -1):.2f} %" for part in ("train", "validation")]
    because = (
        f"with batches of 5 training accuracy ends at {ends[0]}, validation accuracy at {ends[1]}, and {counts[SMALL]} of "
        f"{len(results)} runs overfit; with batches of 100 it is {counts[LARGE]} of them at the same rate, and {counts[FAR]} "
        "at 20 times the rate"
    )
    if counts[SMALL] < len(results):
        return Verdict("does not hold", because)
    return Verdict("depends" if counts[FAR] or counts[LARGE] else "holds", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name in ARMS:
        each = [result[name] for result in results]
        cells = [percent(one[f"{part}_accuracy"][-1] for one in each) for part in ("train", "validation")]
        lowest = spread((min(one["validation_loss"]) for one in each), ".3f")
        rows.append((name, *cells, lowest, spread((one["validation_loss"][-1] for one in each), ".3f")))
    rows.append(("the report, batch 5", "100 %", "about 98 %", "–", "stable"))
    columns = ("30 epochs with", "training accuracy", "validation accuracy", "lowest validation cost (nats)", "at the end")
    return Table(columns, tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    def curves(column: str, factor: float = 1) -> dict[str, list[list[float]]]:
        return {name: [[factor * v for v in result[name][column]] for result in results] for name in ARMS}

    panels = {
        "training cost (nats)": curves("train_loss"),
        "validation cost (nats)": curves("validation_loss"),
    }
    return over_seeds(panels, range(1, EPOCHS + 1), "epoch", log=["training cost (nats)"])


EXPERIMENT = Experiment(
    question="Does a batch size of 5 make the network overfit?",
    codes=("R11",),
    chapter="The results of the report",
    claim="With batches of 5 and 30 epochs training accuracy reaches 100 %, validation accuracy struggles to get over 98 %, "
    "the training cost goes to 0 and the validation cost does not fall with it.",
    source="The report, section 12.3.1 (Overfitting); network and rate are not stated there: here those of its best network",
    criterion="In every run with batches of 5 the training accuracy ends at 99.9 % or more, the validation accuracy below 99 "
    "%, and the validation cost more than 10 % above its lowest. It depends, if a run with batches of 100 does the same, at "
    "this rate or at 20 times the rate: then it is how far descent went, and not the size of its batches.",
    mathematics=(
        "A step goes η times the mean gradient of its batch. Per epoch of N samples there are N/b steps, so that descent "
        "covers about N·η/b: batches of 5 at 0.04 go as far as batches of 100 at 0.8. Their noise is alike, too: its scale "
        "grows with η/b (Smith and Le, 2018). So the batch size alone says little; η/b and the number of epochs say how far "
        "one got.\n\n"
        "Once every training digit is right, the cost still falls by making weights larger and answers surer. On digits that "
        "it gets wrong a surer network pays more, −log ŷ of the true class: the validation cost turns, the accuracy stays."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=5,
    alt="Training and validation cost by epoch: for batches of 5, and of 100 at 20 times the rate, the training cost falls to "
    "nearly 0 and the validation cost rises again; for batches of 100 at the same rate it does not.",
)
