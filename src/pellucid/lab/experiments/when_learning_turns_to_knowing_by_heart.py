"""When does longer training begin to harm, and does early stopping catch that moment?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, percent, spread
from pellucid.plots.lines import over_seeds

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


def _turn(result: Result) -> int:
    """The epoch of the lowest validation loss."""
    return 1 + result["validation_loss"].index(min(result["validation_loss"]))


def verdict(results: Sequence[Result]) -> Verdict:
    turns = [_turn(result) for result in results]
    harmed = all(result["validation_loss"][-1] > 1.1 * min(result["validation_loss"]) for result in results)
    caught = all(result["stopped"]["loss"] < result["end"]["loss"] for result in results)
    falls = [max(result["validation_accuracy"]) - result["validation_accuracy"][-1] for result in results]
    because = (
        f"the validation cost turns at epoch {min(turns)} to {max(turns)}; stopping early ends with a test cost of "
        f"{spread((result['stopped']['loss'] for result in results), '.3f')}, going on with "
        f"{spread((result['end']['loss'] for result in results), '.3f')}; validation accuracy ends "
        f"{100 * min(falls):.2f} to {100 * max(falls):.2f} points below its highest"
    )
    if not (harmed and caught):
        return Verdict("does not hold", because)
    return Verdict("holds" if min(falls) > 0.005 else "depends", because)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for name, key in (("all epochs", "end"), (f"stopped early, patience {PATIENCE}", "stopped")):
        each = [result[key] for result in results]
        epochs = (len(result["train_loss"]) if key == "end" else result["epochs"] for result in results)
        accuracy = percent(one["accuracy"] for one in each)
        rows.append((name, spread(epochs, ".0f"), spread((one["loss"] for one in each), ".3f"), accuracy))
    return Table(("training", "epochs", "test cost (nats)", "test accuracy"), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    panels = {
        "cost (nats)": {name: [[max(v, 1e-5) for v in one[f"{part}_loss"]] for one in results] for name, part in PARTS.items()},
        "accuracy (%)": {name: [[100 * v for v in one[f"{part}_accuracy"]] for one in results] for name, part in PARTS.items()},
    }
    turn = float(sorted(_turn(result) for result in results)[len(results) // 2])
    epochs = range(1, len(results[0]["train_loss"]) + 1)
    return over_seeds(panels, epochs, "epoch", log=["cost (nats)"], marks={f"lowest validation cost: {turn:.0f}": turn})


EXPERIMENT = Experiment(
    question="When does longer training begin to harm, and does early stopping catch that moment?",
    codes=("L4", "I9"),
    chapter="Generalizing",
    claim="Training accuracy rises on and on, test accuracy starts to fall at some point: overtraining. Stopping where the "
    "validation error is least, and keeping those weights, avoids it.",
    source="Introduction to deep learning, overtraining analysis; Introduction to neural networks, early stopping",
    criterion="With 2,000 digits the validation cost ends 10 % or more above its lowest in every run, and the network that was "
    "stopped early has the lower test cost in every run. It depends, if the validation accuracy does not also end more than "
    "half a point below its highest in every run.",
    mathematics=(
        "At first the gradients of many digits agree, and what is learned serves all of them. Later the remaining cost is "
        "that of a few odd digits, and what lowers it serves only these. The validation cost tells when; its turning point is "
        "where the gain for all no longer outweighs the rest.\n\n"
        "Cost and accuracy need not turn together. A digit that is wrong stays wrong while its probability sinks: −log ŷ grows "
        "without any answer changing. So curves of the cost warn earlier than curves of the accuracy, and stopping where the "
        "cost is least may even be too early for the accuracy.\n\n"
        "Early stopping with patience p ends after p epochs without a lower validation cost and puts back the weights of the "
        "best. It is a regularization: for a quadratic cost, t steps at rate η do about what a penalty with λ = 1/(ηt) does."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
    alt="Cost and accuracy by epoch: the training cost falls to nearly 0, the validation cost turns upward early; the "
    "accuracies level off.",
)
