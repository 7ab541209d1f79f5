"""Jobs that call the kernels of one algorithm of convolution, whichever the rule would select."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.jobs import Check, Job
from pellucid import kernels
from pellucid.kernels.compiled import conv_direct, conv_im2col, conv_winograd
from pellucid.kernels.compiled.convolution import algorithm, input_gradient_algorithm
from pellucid.kernels.window import Window
from pellucid.training.threads import available_cores

ALGORITHMS: dict[str, Any] = {"direct": conv_direct, "im2col": conv_im2col, "winograd": conv_winograd}
#: The largest difference from the reference, relative to its largest value. Winograd's algorithm is the least exact.
TOLERANCE = 1e-4


def calls(name: str, x: Any, W: Any, dy: Any, window: Window) -> dict[str, Callable[[], Any]]:
    """Return a function for each of the three passes that calls the kernel of the algorithm and returns its result."""
    out, dW, dx = np.empty_like(dy), np.empty_like(W), np.empty_like(x)
    b, no_floor = np.zeros(W.shape[3], np.float32), np.float32(-np.inf)
    chosen = ALGORITHMS[name]
    groups = (1,) if name == "im2col" else ()
    one_channel = name == "direct" and x.shape[3] == 1 and window.sw == 1
    weight_gradient = conv_direct.weight_gradient_one_channel if one_channel else chosen.weight_gradient
    return {
        "Y": lambda: (chosen.forward(x, W, b, window, *groups, no_floor, out), out)[1],
        "dW": lambda: (weight_gradient(x, dy, window, *groups, dW), dW)[1],
        "dX": lambda: (chosen.input_gradient(dy, W, window, *groups, dx), dx)[1],
    }


def reference_result(output: str, x: Any, W: Any, dy: Any, window: Window) -> Any:
    """Return the result of a pass by the reference kernels."""
    reference = kernels.load("reference")
    dW, b = np.empty_like(W), np.zeros(W.shape[3], np.float32)
    if output == "Y":
        return reference.conv2d(x, W, b, window, 1, np.empty_like(dy))
    if output == "dX":
        return reference.conv2d_input_gradient(dy, W, window, 1, np.empty_like(x))
    reference.conv2d_backward(x, dy, window, 1, dW, np.empty_like(b))
    return dW


def algorithm_job(name: str) -> Callable[..., Job]:
    """Return the function that creates the jobs of an algorithm.

    The variant of a job is the algorithm that the rule selects for the layer.
    """

    def convolve(
        size: int, channels: int, filters: int, kernel: int, stride: int, padding: int, batch: int, output: str
    ) -> Job:
        kernels.load("compiled").set_num_threads(available_cores())
        window = Window(kernel, kernel, stride, stride, padding, padding)
        output_size = (size + 2 * padding - kernel) // stride + 1
        random = np.random.default_rng(0)
        shapes = (batch, size, size, channels), (kernel, kernel, channels, filters), (batch, output_size, output_size, filters)
        x, W, dy = (random.standard_normal(shape, np.float32) for shape in shapes)
        if output == "dX":
            selected = input_gradient_algorithm(dy.shape, W.shape, window, 1, x.shape)
        else:
            selected = algorithm(W.shape, window, 1, x.shape, dy.shape)
        check = _equals(lambda: reference_result(output, x, W, dy, window))
        return Job(calls(name, x, W, dy, window)[output], check, variant=selected)

    return convolve


def _equals(expected: Callable[[], Any]) -> Check:
    def check(first: Sequence[Any], last: Sequence[Any]) -> str:
        del first
        right = expected()
        difference = float(np.abs(last[-1] - right).max() / np.abs(right).max())
        if not difference < TOLERANCE:
            raise RuntimeError(f"the result differs from the reference by {difference:.1e} of its largest value")
        return f"within {difference:.0e} of the reference kernels"

    return check
