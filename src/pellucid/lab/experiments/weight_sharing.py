"""What does a convolution gain by using the same weights at every position?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import pellucid as pl
from pellucid.lab.experiment import Experiment, Result, Table, Trial, Verdict, median, percent
from pellucid.lab.reference_pass import forward_backward
from pellucid.model.activations import activations
from pellucid.plots import over_seeds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = 100, 300, 1000, 3000, 10_000
DENSE: tuple[Any, ...] = (pl.Flatten(), pl.Dense(64), pl.ReLU())
SHARED: tuple[Any, ...] = (pl.Conv2D(16, 5), pl.ReLU(), pl.MaxPool2D(2), pl.Flatten(), pl.Dropout(0.3))
KINDS = {"dense, 784-64-10": DENSE, "one convolution": SHARED}


def convolution_sums(x: np.ndarray, dy: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return Y, dW and dX of a convolution without padding, by the sums of this chapter: x (n, h, w, c), W (k, k, c, o)."""
    k = w.shape[0]
    rows, columns = x.shape[1] - k + 1, x.shape[2] - k + 1
    y, dw, dx = np.zeros((len(x), rows, columns, w.shape[3])), np.zeros_like(w), np.zeros_like(x)
    for u in range(k):
        for v in range(k):
            seen = x[:, u : u + rows, v : v + columns]
            y += seen @ w[u, v]
            dw[u, v] = np.einsum("nijc,nijo->co", seen, dy)
            dx[:, u : u + rows, v : v + columns] += dy @ w[u, v].T
    return y, dw, dx


def _library_error(seed: int) -> float:
    """Return the largest difference between the library's convolution and its gradients, and the sums."""
    random = np.random.default_rng(seed)
    x, w, dy = (random.normal(size=size) for size in ((3, 7, 6, 2), (3, 3, 2, 4), (3, 5, 4, 4)))
    y, dx, gradients = forward_backward(pl.Conv2D(4, 3, bias=False), {"W": w}, x, lambda y: dy)
    pairs = zip((y, gradients["W"], dx), convolution_sums(x, dy, w), strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


def measure(trial: Trial) -> Result:
    found: Result = {"error": _library_error(trial.seed), **{name: [] for name in KINDS}}
    validation = trial.digits(None, trial.pick(full=None, quick=1000, tiny=100)).validation
    for count in SAMPLES:
        train = trial.digits(trial.pick(full=count, quick=min(count, 3000), tiny=60)).train
        for name, layers in KINDS.items():
            network = pl.Sequential(*layers, pl.Dense(10, pl.GlorotUniform()), pl.Softmax())
            model = network.compile((28, 28, 1), pl.CrossEntropy(), pl.Adam(0.002), [pl.Accuracy()], seed=trial.seed)
            epochs = trial.pick(full=max(8, 6000 // count), quick=max(4, 2000 // count), tiny=1)
            model.fit(train, epochs=epochs, batch_size=50, progress=False)
            found[name].append(model.evaluate(validation)["accuracy"])
            if name == "one convolution":
                images = validation.x[:50]
                maps, shifted = (activations(model, one)["conv2d1"] for one in (images, np.roll(images, 1, axis=2)))
                found["equivariance error"] = float(np.abs(maps[:, :, :-1] - shifted[:, :, 1:]).max())
    return found


def verdict(results: Sequence[Result]) -> Verdict:
    error, shift_error = (max(result[what] for result in results) for what in ("error", "equivariance error"))
    gains = [median(results, "one convolution", i) - median(results, "dense, 784-64-10", i) for i in range(len(SAMPLES))]
    reason = (
        f"the sums agree with the library to {error:.0e}, the maps of a shifted image agree with the shifted maps to "
        f"{shift_error:.0e}; with 100 to 10,000 digits the validation accuracy of the convolution is {100 * min(gains):.1f} "
        f"to {100 * max(gains):.1f} percentage points higher than that of the dense layer"
    )
    if error > 1e-9 or shift_error > 1e-3:
        return Verdict("does not hold", reason)
    return Verdict("holds" if min(gains) > 0 else "depends" if max(gains) > 0.005 else "does not hold", reason)


def table(results: Sequence[Result]) -> Table:
    rows = []
    for i, count in enumerate(SAMPLES):
        rows.append((f"{count:,}", *(percent((result[name][i] for result in results), ".1f") for name in KINDS)))
    return Table(("training digits", *KINDS), tuple(rows))


def figure(results: Sequence[Result]) -> Figure:
    curves = {name: [[100 * a for a in result[name]] for result in results] for name in KINDS}
    return over_seeds({"validation accuracy (%)": curves}, SAMPLES, "training digits", log_x=True)


EXPERIMENT = Experiment(
    question="What does a convolution gain by using the same weights at every position?",
    codes=("R7",),
    chapter="Architecture",
    claim=(
        "Weights that are shared over all positions make the feature maps shift with the image, and learn from fewer examples."
    ),
    source=(
        "Student report, section 9 (Convolutional neural network), a heading without text; the claim is what is usually taught"
    ),
    criterion=(
        "The sums of this chapter give the library's Y, dW and dX within 10⁻⁹, and the maps of an image shifted by one "
        "pixel are the shifted maps within 10⁻³; with 100 to 10,000 digits one convolution has a higher validation "
        "accuracy than a dense layer (medians). It depends if this is not true for every number of digits, but for one of "
        "them by more than half a percentage point."
    ),
    mathematics="""
One convolution of 16 filters of 5 × 5 has 16·25 + 16 = 416 parameters; the dense layer of 64 units has 784·64 + 64 =
50,240. Including the dense output layer, the networks have 23,466 and 50,890 parameters.

The convolution sees each digit as 24 × 24 windows: it learns its 416 parameters from 576 examples per digit. The dense
layer has one example per digit for each weight. Weight sharing should therefore help most if there are few digits.

The two networks differ in more than weight sharing: the convolution is followed by max pooling over 2 × 2, which tolerates
a shift by one pixel, and by dropout of 0.3. The measured gain is that of all three.
""",
    alt=(
        "Validation accuracy by the number of training digits. Both curves rise; the convolutional network is above the "
        "dense one."
    ),
    measure=measure,
    verdict=verdict,
    table=table,
    figure=figure,
    seeds=3,
)
