"""Results that nobody measured, for the chapter "The results of the report": what the verdicts must say of them."""

from __future__ import annotations


def _good_fit(accuracy: float):
    return {"test": {"accuracy": accuracy, "loss": 0.1}}


def _first(accuracy: float, rising: bool):
    last = [accuracy - 0.03, accuracy - 0.02, accuracy - 0.01, accuracy] if rising else [accuracy] * 4
    arm = {"accuracy": last, "test": {"accuracy": accuracy}}
    return {"0.01, as in the report": arm, "0.2": arm}


def _batches(single: float, after_single: float):
    after = {"1": after_single, "10": 0.9, "100": 0.9, "1000": 0.9}
    seconds = {"1": single, "10": 2.0, "100": 1.0, "1000": 0.5}
    return {batch: {"seconds": seconds[batch], "accuracy": after[batch]} for batch in after}


def _arm(train: float, validation: float, end: float):
    return {"train_accuracy": [train], "validation_accuracy": [validation], "validation_loss": [0.1, end]}


def _overfit(small, far):
    return {"batch 5, rate 0.04": small, "batch 100, rate 0.04": _arm(0.99, 0.98, 0.1), "batch 100, rate 0.8": far}


OVERFITS, FITS = _arm(1.0, 0.98, 0.2), _arm(0.99, 0.98, 0.1)


def _dive(sgd: float, parameters: int = 52_650):
    rules = {"gradient descent, 0.01": sgd, "Adam, 0.01": 0.95, "Adam, 0.001": 0.97}
    return {name: {"parameters": parameters, "test": {"accuracy": accuracy}} for name, accuracy in rules.items()}


def _convolution(with_: float, without: float, parameters: int = 50_000):
    def one(accuracy: float, count: int):
        return {"parameters": count, "test": {"accuracy": accuracy}, "shifted": [accuracy] * 5}

    return {"without (784-256-256-10)": one(without, 269_322), "with (two convolutions)": one(with_, parameters)}


# name of the experiment -> (results, what the verdict says of them)
PLANTED = {
    "the-reports-good-fit": [
        ([_good_fit(0.974), _good_fit(0.972), _good_fit(0.9)], "holds"),
        ([_good_fit(0.974), _good_fit(0.98), _good_fit(0.985)], "does not hold"),
        ([_good_fit(0.95)], "does not hold"),
    ],
    "the-reports-first-network": [
        ([_first(0.9, True)], "holds"),
        ([_first(0.9, True), _first(0.9, False)], "does not hold"),
        ([_first(0.8, True)], "does not hold"),
    ],
    "batches-are-faster": [
        ([_batches(3.0, 0.9)], "holds"),
        ([_batches(3.0, 0.95)], "depends"),
        ([_batches(3.0, 0.9), _batches(1.5, 0.9)], "does not hold"),
    ],
    "small-batches-overfit": [
        ([_overfit(OVERFITS, FITS)], "holds"),
        ([_overfit(OVERFITS, OVERFITS)], "depends"),
        ([_overfit(OVERFITS, FITS), _overfit(FITS, FITS)], "does not hold"),
        ([_overfit(_arm(1.0, 0.995, 0.2), FITS)], "does not hold"),
        ([_overfit(_arm(1.0, 0.98, 0.105), FITS)], "does not hold"),
    ],
    "dive-three-layers": [
        ([_dive(0.93)], "holds"),
        ([_dive(0.85)], "does not hold"),
        ([_dive(0.93, 50_000)], "does not hold"),
    ],
    "with-or-without-convolution": [
        ([_convolution(0.99, 0.98), _convolution(0.985, 0.97)], "holds"),
        ([_convolution(0.99, 0.98), _convolution(0.985, 0.987)], "does not hold"),
        ([_convolution(0.99, 0.98, 300_000)], "does not hold"),
    ],
}
