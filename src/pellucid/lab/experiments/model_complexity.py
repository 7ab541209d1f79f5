"""How do training and validation error depend on the size of a network?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTHS = 1, 2, 4, 8, 16, 32, 64, 128, 256, 512
SAMPLES = 1000


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=SAMPLES, quick=SAMPLES, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    found = {}
    for width in WIDTHS:
        network = pl.Sequential(pl.Flatten(), pl.Dense(width), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax())
        model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.003), [pl.Accuracy()], seed=trial.seed)
        model.fit(data.train, epochs=trial.pick(full=100, quick=40, tiny=3), batch_size=50, progress=False)
        scores = {"train": model.evaluate(data.train), "validation": model.evaluate(data.validation)}
        found[str(width)] = {
            "parameters": model.parameter_count,
            **{f"{part}_error": 1 - one["accuracy"] for part, one in scores.items()},
            **{f"{part}_loss": one["loss"] for part, one in scores.items()},
        }
    return found


def _errors(results: Sequence[Result], part: str) -> list[float]:
    return [median(results, str(width), f"{part}_error") for width in WIDTHS]


def verdict(results: Sequence[Result]) -> Verdict:
    train, validation = _errors(results, "train"), _errors(results, "validation")
    best = min(validation)
    reason = (
        f"from 1 to 512 hidden units the training error falls from {100 * train[0]:.0f} % to {100 * train[-1]:.1f} %; the "
        f"validation error is lowest with {WIDTHS[validation.index(best)]} units, {100 * best:.1f} %"
        + (f", and is {100 * validation[-1]:.1f} % with 512" if validation[-1] > best else "")
    )
    falls = train[-1] < train[0] - 0.1 and validation[0] > best + 0.1
    rises = validation[-1] > 1.1 * best
    return Verdict("holds" if falls and rises else "depends" if falls else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for width in WIDTHS:
        each = [result[str(width)] for result in results]
        cells = [percent((one[f"{part}_error"] for one in each), ".1f") for part in ("train", "validation")]
        rows.append((str(width), f"{each[0]['parameters']:,}", *cells))
    return Table(("hidden units", "parameters", "training error", "validation error"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    names = {"training": "train", "validation": "validation"}
    panels = {
        "error (%)": {
            name: [[100 * result[str(width)][f"{part}_error"] for width in WIDTHS] for result in results]
            for name, part in names.items()
        },
        "loss (nats)": {
            name: [[max(result[str(width)][f"{part}_loss"], 1e-5) for width in WIDTHS] for result in results]
            for name, part in names.items()
        },
    }
    return over_seeds(panels, WIDTHS, "hidden units", log_x=True, log=["loss (nats)"])


EXPERIMENT = Experiment(
    question="How do training and validation error depend on the size of a network?",
    codes=("R19",),
    chapter="Generalization",
    claim=(
        "A more complex model has a lower training error and risks overfitting. A less complex model has a higher "
        "training error and may generalize better. The best complexity is in between."
    ),
    source="Student report, section 12.2 (Vapnik-Chervonenkis trade-off)",
    criterion=(
        "With 1,000 training digits, the training error falls by more than 10 percentage points from 1 to 512 hidden "
        "units, and so does the validation error from 1 unit to its minimum; with 512 units the validation error is more "
        "than a tenth above this minimum. It depends if the validation error does not rise."
    ),
    mathematics="""
Vapnik and Chervonenkis bound the gap between the two errors. With probability 1 − δ, for all functions of a class of
capacity h and N samples at once,

    error ≤ training error + √((h (log(2N/h) + 1) − log(δ/4)) / N)

The first term falls with the capacity and the second one rises, so their sum has a minimum in between. The bound is for
the worst function of the class and is not a prediction: among the many functions that fit the data, descent may find
much better ones. Networks with far more parameters than samples often generalize well (Zhang et al., 2017; Belkin et
al., 2019).

The loss behaves differently from the error: a wrong prediction with high confidence has a large loss.
""",
    alt=(
        "Training and validation error, and loss, by the number of hidden units. All fall; the training error reaches 0, "
        "the validation error levels off."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
