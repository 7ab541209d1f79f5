"""When does longer training start to harm, and does early stopping prevent it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES, PATIENCE = 2000, 10
PARTS = {"training": "train", "validation": "validation"}


def _model(trial: Trial) -> pl.Model:
    layers = pl.Flatten(), pl.Dense(256), pl.ReLU(), pl.Dense(256), pl.ReLU(), pl.Dense(10, pl.GlorotUniform()), pl.Softmax()
    return pl.Sequential(*layers).compile((28, 28, 1), pl.CrossEntropy(), pl.SGD(0.1), [pl.Accuracy()], seed=trial.seed)


def measure(trial: Trial) -> Result:
    data = trial.digits(trial.pick(full=SAMPLES, quick=1000, tiny=100), trial.pick(full=None, quick=1000, tiny=100))
    epochs = trial.pick(full=150, quick=60, tiny=12)
    model, stopped = _model(trial), _model(trial)
    options: dict[str, Any] = {"validation": data.validation, "epochs": epochs, "batch_size": 20, "progress": False}
    history = model.fit(data.train, **options)
    early = stopped.fit(data.train, **options, policies=[pl.EarlyStopping(PATIENCE)])
    return {
        **{f"{part}_{what}": history[f"{part}_{what}"] for part in PARTS.values() for what in ("loss", "accuracy")},
        "end": model.evaluate(data.test),
        "stopped": stopped.evaluate(data.test),
        "best_epoch": early.best_epoch,
        "epochs": len(early),
    }


def _best_epoch(result: Result) -> int:
    """Return the epoch with the lowest validation loss."""
    return 1 + result["validation_loss"].index(min(result["validation_loss"]))


def verdict(results: Sequence[Result]) -> Verdict:
    best_epochs = [_best_epoch(result) for result in results]
    harmed = all(result["validation_loss"][-1] > 1.1 * min(result["validation_loss"]) for result in results)
    caught = all(result["stopped"]["loss"] < result["end"]["loss"] for result in results)
    falls = [max(result["validation_accuracy"]) - result["validation_accuracy"][-1] for result in results]
    reason = (
        f"the validation loss is lowest at epoch {min(best_epochs)} to {max(best_epochs)}; with early stopping the test loss "
        f"is {spread((result['stopped']['loss'] for result in results), '.3f')}, after all epochs "
        f"{spread((result['end']['loss'] for result in results), '.3f')}; the validation accuracy ends "
        f"{100 * min(falls):.2f} to {100 * max(falls):.2f} percentage points below its maximum"
    )
    if not (harmed and caught):
        return Verdict("does not hold", reason)
    return Verdict("holds" if min(falls) > 0.005 else "depends", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, key in (("all epochs", "end"), (f"early stopping, patience {PATIENCE}", "stopped")):
        each = [result[key] for result in results]
        epochs = (len(result["train_loss"]) if key == "end" else result["epochs"] for result in results)
        accuracy = percent(one["accuracy"] for one in each)
        rows.append((name, spread(epochs, ".0f"), spread((one["loss"] for one in each), ".3f"), accuracy))
    return Table(("training", "epochs", "test loss (nats)", "test accuracy"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    panels = {
        "loss (nats)": {name: [[max(v, 1e-5) for v in one[f"{part}_loss"]] for one in results] for name, part in PARTS.items()},
        "accuracy (%)": {name: [[100 * v for v in one[f"{part}_accuracy"]] for one in results] for name, part in PARTS.items()},
    }
    best_epoch = float(sorted(_best_epoch(result) for result in results)[len(results) // 2])
    epochs = range(1, len(results[0]["train_loss"]) + 1)
    return over_seeds(
        panels, epochs, "epoch", log=["loss (nats)"], marks={f"lowest validation loss: {best_epoch:.0f}": best_epoch}
    )


EXPERIMENT = Experiment(
    question="When does longer training start to harm, and does early stopping prevent it?",
    codes=("L4", "I9"),
    chapter="Generalization",
    claim=(
        "The training accuracy keeps rising, but the test accuracy starts to fall at some point: overtraining. Stopping "
        "at the lowest validation error and keeping those weights avoids it."
    ),
    source="Introduction to deep learning, overtraining analysis; Introduction to neural networks, early stopping",
    criterion=(
        "With 2,000 digits, the validation loss ends at least 10 % above its minimum in every run, and early stopping "
        "gives the lower test loss in every run. It depends if the validation accuracy does not also end more than half a "
        "percentage point below its maximum in every run."
    ),
    mathematics="""
At first the gradients of many digits agree, and what is learned helps on all of them. Later the remaining loss comes from a
few unusual digits, and what lowers it helps only on these. The validation loss shows the transition: at its minimum the
general gain no longer outweighs the harm.

Loss and accuracy need not change direction together. A misclassified digit stays misclassified while its probability falls:
−log ŷ grows without any prediction changing. The loss therefore warns earlier than the accuracy, and the minimum of the
loss may even be too early for the accuracy.

Early stopping with patience p stops after p epochs without a lower validation loss and restores the weights of the best
epoch. It is a form of regularization: for a quadratic loss, t steps at a learning rate η have about the same effect as a
penalty with λ = 1/(ηt).
""",
    alt=(
        "Loss and accuracy by epoch. The training loss falls to nearly 0, the validation loss rises early; the accuracies "
        "level off."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
