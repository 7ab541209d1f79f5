"""Pellucid's forms of convolution, each by itself, whichever the rule would take: the kernels that a layer calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.jobs import Job, Proof
from pellucid.kernels import compiled, reference
from pellucid.kernels.compiled import direct, patches, winograd
from pellucid.kernels.compiled.convolution import form, form_back
from pellucid.kernels.window import Window
from pellucid.training.shards import cores

__all__ = ["job"]

#: How far the results of two forms may be apart, of the largest number: Winograd's is the least exact.
BOUND = 1e-4


def calls(name: str, x: Any, W: Any, dy: Any, window: Window) -> dict[str, Callable[[], Any]]:
    """The form of that name: what it does for each of the three passes, each returning its result."""
    out, dW, dx = np.empty_like(dy), np.empty_like(W), np.empty_like(x)
    b, none = np.zeros(W.shape[3], np.float32), np.float32(-np.inf)
    kernels: Any = {"direct": direct, "winograd": winograd, "patches": patches}[name]
    groups = (1,) if name == "patches" else ()
    one_channel = name == "direct" and x.shape[3] == 1 and window.sw == 1
    weights = direct.weights_one_channel if one_channel else kernels.weights
    return {
        "Y": lambda: (kernels.forward(x, W, b, window, *groups, none, out), out)[1],
        "dW": lambda: (weights(x, dy, window, *groups, dW), dW)[1],
        "dX": lambda: (kernels.input_gradient(dy, W, window, *groups, dx), dx)[1],
    }


def readable(of: str, x: Any, W: Any, dy: Any, window: Window) -> Any:
    """The same by the readable kernels."""
    dW, b = np.empty_like(W), np.zeros(W.shape[3], np.float32)
    if of == "Y":
        return reference.conv2d(x, W, b, window, 1, np.empty_like(dy))
    if of == "dX":
        return reference.conv2d_input_gradient(dy, W, window, 1, np.empty_like(x))
    reference.conv2d_backward(x, dy, window, 1, dW, np.empty_like(b))
    return dW


def job(name: str) -> Callable[..., Job]:
    """The function that makes a contender's jobs."""

    def one(size: int, channels: int, filters: int, kernel: int, stride: int, padding: int, batch: int, of: str) -> Job:
        compiled.ready(cores())
        window = Window(kernel, kernel, stride, stride, padding, padding)
        places = (size + 2 * padding - kernel) // stride + 1
        random = np.random.default_rng(0)
        shapes = (batch, size, size, channels), (kernel, kernel, channels, filters), (batch, places, places, filters)
        x, W, dy = (random.standard_normal(shape, np.float32) for shape in shapes)
        taken = form_back(dy.shape, W.shape, window, 1, x.shape) if of == "dX" else form(W.shape, window, 1)
        return Job(calls(name, x, W, dy, window)[of], _is(lambda: readable(of, x, W, dy, window)), form=taken)

    return one


def _is(wanted: Callable[[], Any]) -> Proof:
    def proof(first: Sequence[Any], last: Sequence[Any]) -> str:
        del first
        right = wanted()
        off = float(np.abs(last[-1] - right).max() / np.abs(right).max())
        if not off < BOUND:
            raise RuntimeError(f"this is another result: {off:.1e} of the largest number away")
        return f"within {off:.0e} of the readable kernels"

    return proof
