"""Made-up results for the chapter "Results of the student report", with the verdicts they must give."""

from __future__ import annotations


def _best_network(accuracy: float):
    return {"test": {"accuracy": accuracy, "loss": 0.1}}


def _first_network(accuracy: float, rising: bool):
    last = [accuracy - 0.03, accuracy - 0.02, accuracy - 0.01, accuracy] if rising else [accuracy] * 4
    arm = {"accuracy": last, "test": {"accuracy": accuracy}}
    return {"0.01 (student report)": arm, "0.2": arm}


def _batches(single: float, after_single: float):
    after = {"1": after_single, "10": 0.9, "100": 0.9, "1000": 0.9}
    seconds = {"1": single, "10": 2.0, "100": 1.0, "1000": 0.5}
    return {batch: {"seconds": seconds[batch], "accuracy": after[batch]} for batch in after}


def _arm(train: float, validation: float, end: float):
    return {"train_accuracy": [train], "validation_accuracy": [validation], "validation_loss": [0.1, end]}


def _overfit(small, far):
    return {"batch 5, rate 0.04": small, "batch 100, rate 0.04": _arm(0.99, 0.98, 0.1), "batch 100, rate 0.8": far}


OVERFITS, FITS = _arm(1.0, 0.98, 0.2), _arm(0.99, 0.98, 0.1)


def _three_layers(sgd: float, parameters: int = 52_650):
    rules = {"gradient descent, 0.01": sgd, "Adam, 0.01": 0.95, "Adam, 0.001": 0.97}
    return {name: {"parameters": parameters, "test": {"accuracy": accuracy}} for name, accuracy in rules.items()}


def _convolution(convolutional: float, dense: float, parameters: int = 50_000):
    def one(accuracy: float, count: int):
        return {"parameters": count, "test": {"accuracy": accuracy}, "shifted": [accuracy] * 5}

    return {"dense (784-256-256-10)": one(dense, 269_322), "convolutional (two convolutions)": one(convolutional, parameters)}


# name of the experiment -> pairs of results and expected outcome
CASES = {
    "report-best-network": [
        ([_best_network(0.974), _best_network(0.972), _best_network(0.9)], "holds"),
        ([_best_network(0.974), _best_network(0.98), _best_network(0.985)], "does not hold"),
        ([_best_network(0.95)], "does not hold"),
    ],
    "report-first-network": [
        ([_first_network(0.9, True)], "holds"),
        ([_first_network(0.9, True), _first_network(0.9, False)], "does not hold"),
        ([_first_network(0.8, True)], "does not hold"),
    ],
    "batch-size-speed": [
        ([_batches(3.0, 0.9)], "holds"),
        ([_batches(3.0, 0.95)], "depends"),
        ([_batches(3.0, 0.9), _batches(1.5, 0.9)], "does not hold"),
    ],
    "batch-size-overfitting": [
        ([_overfit(OVERFITS, FITS)], "holds"),
        ([_overfit(OVERFITS, OVERFITS)], "depends"),
        ([_overfit(OVERFITS, FITS), _overfit(FITS, FITS)], "does not hold"),
        ([_overfit(_arm(1.0, 0.995, 0.2), FITS)], "does not hold"),
        ([_overfit(_arm(1.0, 0.98, 0.105), FITS)], "does not hold"),
    ],
    "three-layer-network": [
        ([_three_layers(0.93)], "holds"),
        ([_three_layers(0.85)], "does not hold"),
        ([_three_layers(0.93, 50_000)], "does not hold"),
    ],
    "dense-vs-convolutional": [
        ([_convolution(0.99, 0.98), _convolution(0.985, 0.97)], "holds"),
        ([_convolution(0.99, 0.98), _convolution(0.985, 0.987)], "does not hold"),
        ([_convolution(0.99, 0.98, 300_000)], "does not hold"),
    ],
}
