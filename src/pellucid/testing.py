"""Checks for layers and losses, yours included: ``check_layer(MyLayer(), (5,))`` raises AssertionError with a reason.

The heart is the gradient check: the derivative that a backward pass computes is held against central differences,
(C(x + h) − C(x − h)) / 2h, in float64. It finds what training would only show as slow learning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from pellucid import kernels as kernel_sets
from pellucid.core import rng
from pellucid.core.config import Config, from_json, to_json
from pellucid.core.memory import Array, Layout, Shape
from pellucid.initializers import initial
from pellucid.kernels import Kernels
from pellucid.layers.base import Layer
from pellucid.layers.context import Context, ShardState
from pellucid.losses import Loss
from pellucid.networks import Sequential, fused
from pellucid.optim import SGD
from pellucid.training.parts import Parts
from pellucid.training.shards import Crew, tree_sum
from pellucid.training.step import GradientStep

STEP = 1e-5  # of the differences: truncation and rounding errors are then both near 1e-10


def asymmetric(shape: Shape, seed: int = 0, away: float = 0.05) -> Array:
    """Random numbers (float64) without symmetry, none nearer to zero than ``away``: away from the kink of a ReLU."""
    x = rng.generator(seed, "testing", shape).normal(0.3, 1.0, shape)
    return np.where(x < 0, x - away, x + away)


def numeric_gradient(cost: Callable[[], float], x: Array) -> Array:
    """∂cost/∂x by central differences; ``cost`` reads ``x``, whose numbers are changed and put back."""
    gradient, flat = np.zeros(x.size), x.reshape(-1)
    for i in range(x.size):
        value = flat[i]
        flat[i] = value + STEP
        above = cost()
        flat[i] = value - STEP
        below = cost()
        flat[i] = value
        gradient[i] = (above - below) / (2 * STEP)
    return gradient.reshape(x.shape)


@dataclass
class Pass:
    """What came out of one forward and backward pass of a layer; ``state`` are its running statistics after it."""

    y: Array
    dx: Array | None
    gradient: Array
    state: dict[str, Array]


def run_layer(
    layer: Layer,
    x: Array,
    dy: Array | None = None,
    *,
    theta: Array | None = None,
    state: Mapping[str, Array] | None = None,
    kernels: Kernels | None = None,
    shards: int = 1,
    training: bool = True,
    needs_dx: bool = True,
    seed: int = 0,
) -> Pass:
    """Runs one layer on x (n, …), and backward where dy is given, in x's dtype and in as many shards. Parameters are
    ``theta`` (a vector of the layer's layout) and running statistics begin with ``state`` (what another pass led to), or
    with what the initializers give."""
    kernels = kernels or kernel_sets.load()
    params, running = layouts(layer, x.shape[1:])
    theta = initial(params, seed, x.dtype) if theta is None else theta
    statistics = initial(running, seed, x.dtype)
    for path, array in (state or {}).items():
        running.array(statistics, path)[...] = array
    crew = Crew(shards)
    ys: list[Any] = [None] * shards
    dxs: list[Any] = [None] * shards
    rows = [params.zeros(x.dtype) for _ in range(shards)]
    for row in rows:  # backward writes over what was there: what it only adds to, or forgets, stays NaN
        for path, array in params.arrays(row).items():
            array.fill(np.nan if params[path].trained else 0)

    def work(k: int) -> None:
        run = ShardState(kernels, dtype=x.dtype, seed=seed, shard=k, all_sum=crew.all_sum if shards > 1 else None)
        cut = slice(len(x) * k // shards, len(x) * (k + 1) // shards)
        run.training, run.keeping, run.offset, run.step = training, dy is not None, cut.start, 1
        ctx = Context(run, running.views(statistics), needs_dx=needs_dx)
        ys[k] = layer.forward(params.views(theta), x[cut], ctx).copy()
        if dy is not None:
            dx = layer.backward(params.views(theta), params.views(rows[k]), dy[cut].copy(), ctx)
            dxs[k] = None if dx is None else dx.copy()

    crew.run(work)
    gradient = tree_sum(rows, kernels.add)
    dx = None if dxs[0] is None else np.concatenate(dxs)
    return Pass(np.concatenate(ys), dx, gradient, running.arrays(statistics))


def layouts(layer: Layer, shape: Shape) -> tuple[Layout, Layout]:
    """The layouts of a layer's parameters and of its running statistics."""
    slots = layer.build(shape).slots
    return Layout({n: s for n, s in slots.items() if not s.state}), Layout({n: s for n, s in slots.items() if s.state})


def check_layer(
    layer: Layer,
    input_shape: Sequence[int],
    *,
    batch: int = 5,
    seed: int = 0,
    atol: float = 1e-6,
    entries: int | None = None,
) -> None:
    """Checks a layer as Pellucid checks its own:

    - the output has the shape that ``build`` promised, and X is left as it was;
    - the gradients of the input and of every slot agree with central differences within ``atol``, in float64, those of
      the slots also where nobody asks for dX, and all of them in prediction, where that is another function;
    - a batch in shards, some of them empty, gives what the whole batch gives, running statistics included;
    - reference and compiled kernels agree, in training and in prediction;
    - a network with a ReLU behind the layer gives the same, fused or not;
    - the settings survive the way through JSON.

    The gradient of what is frozen has to be zero instead. ``entries``: the layer takes whole numbers from 0 to entries − 1,
    and its gradient towards them has to be zero.
    """
    shape = tuple(input_shape)
    x = asymmetric((batch, *shape), seed)
    if entries is not None:
        x = rng.generator(seed, "testing", shape).integers(0, entries, x.shape).astype(np.float64)
    before = x.copy()
    params, _ = layouts(layer, shape)
    theta = initial(params, seed, np.float64)
    for path in params:  # biases too get values, so that a lost bias is seen
        params.array(theta, path)[...] += 0.1 * asymmetric(params[path].shape, seed + 1)
    promised = (batch, *layer.build(shape).shape)
    dy = asymmetric(promised, seed + 2)
    given = run_layer(layer, x, theta=theta, seed=seed).y.shape
    assert given == promised, f"{layer}: build promises {promised}, forward gives {given}"
    out = run_layer(layer, x, dy, theta=theta, seed=seed)
    assert np.array_equal(x, before), f"{layer}: forward or backward has written to its input"
    how: dict[str, Any] = {"seed": seed, "atol": atol, "whole": entries is not None}
    check_gradients(layer, x, dy, out, theta=theta, **how)
    alone = run_layer(layer, x, dy, theta=theta, needs_dx=False, seed=seed)
    _close(f"{layer}: the gradients where nobody asks for dX", alone.gradient, out.gradient, 1e-12)
    predicted = run_layer(layer, x, dy, theta=theta, state=out.state, training=False, seed=seed)
    _states(f"{layer}: running statistics before and after prediction", predicted, out, 0)
    if not np.array_equal(predicted.y, out.y):
        check_gradients(layer, x, dy, predicted, theta=theta, state=out.state, training=False, **how)
    for shards in (2, batch + 2):
        cut = run_layer(layer, x, dy, theta=theta, shards=shards, seed=seed)
        _same(f"{layer}: {shards} shards and the whole batch", cut, out, 1e-12)
    if _both_kernel_sets():
        for training in (True, False):
            check_kernels(layer, x, dy, theta=theta, state=out.state, training=training, seed=seed)
    check_fusion(layer, shape, x=x, seed=seed)
    check_config(layer)


def check_gradients(
    layer: Layer,
    x: Array,
    dy: Array,
    out: Pass,
    *,
    theta: Array,
    state: Mapping[str, Array] | None = None,
    training: bool = True,
    seed: int = 0,
    atol: float = 1e-6,
    whole: bool = False,
) -> None:
    """The gradients in ``out``, the layer's pass on x and dy, against central differences of Σ y dy; those of what is frozen,
    and of ``whole`` numbers, against zero."""

    def cost() -> float:
        return float((run_layer(layer, x, theta=theta, state=state, training=training, seed=seed).y * dy).sum())

    mode = "" if training else " in prediction"
    assert out.dx is not None, f"{layer}: backward returns None although ctx.needs_dx"
    assert out.dx.shape == x.shape, f"{layer}: the input is {x.shape}, its gradient {out.dx.shape}"
    _close(f"{layer}: dX{mode}", out.dx, np.zeros(x.shape) if whole else numeric_gradient(cost, x), atol)
    params, _ = layouts(layer, x.shape[1:])
    for path in params:
        array = params.array(theta, path)
        numeric = numeric_gradient(cost, array) if params[path].trained else np.zeros(array.shape)
        _close(f"{layer}: the gradient of {path}{mode}", params.array(out.gradient, path), numeric, atol)


def check_kernels(
    layer: Layer, x: Array, dy: Array, *, theta: Array, state: Mapping[str, Array], training: bool, seed: int = 0
) -> None:
    """The reference and the compiled kernels give the same, in float64 and in float32."""
    for dtype, bound in ((np.float64, 1e-12), (np.float32, 1e-5)):
        arrays = x.astype(dtype), dy.astype(dtype)
        one, other = (
            run_layer(
                layer,
                *arrays,
                theta=theta.astype(dtype),
                state=state,
                kernels=kernel_sets.load(name),
                training=training,
                seed=seed,
            )
            for name in kernel_sets.SETS
        )
        what = f"reference and compiled kernels in {np.dtype(dtype).name}{'' if training else ', in prediction'}"
        _same(f"{layer}: {what}", one, other, bound)


def check_fusion(layer: Layer, input_shape: Shape, *, x: Array | None = None, batch: int = 5, seed: int = 0) -> None:
    """The fused form of a network with a ReLU before this layer and behind it computes what the written form computes."""
    from pellucid.layers.activations import ReLU

    network = Sequential(ReLU(), layer, ReLU())
    plan = fused(network)
    assert layouts(plan, input_shape)[0].table() == layouts(network, input_shape)[0].table(), (
        f"{layer}: fusion changes the slots"
    )
    x = asymmetric((batch, *input_shape), seed) if x is None else x
    dy = asymmetric((len(x), *network.build(input_shape).shape), seed + 2)
    _same(f"{layer}: fused and unfused", run_layer(plan, x, dy, seed=seed), run_layer(network, x, dy, seed=seed), 1e-12)


def check_config(value: Any) -> None:
    """The settings survive the way through JSON and compare equal."""
    again = from_json(to_json(value), type(value), custom_classes=_classes(value))
    assert again == value, f"{value} comes back from JSON as {again}"


def _classes(value: Any) -> set[type]:
    """The classes of the settings and of all settings inside them."""
    if isinstance(value, tuple):
        return set().union(*map(_classes, value))
    if not isinstance(value, Config):
        return set()
    return {type(value)}.union(*(_classes(getattr(value, field.name)) for field in fields(value)))  # type: ignore[arg-type]


def check_loss(loss: Loss, network: Layer, input_shape: Sequence[int], y: Array, *, atol: float = 1e-6, seed: int = 0) -> None:
    """Checks a loss behind a network: the gradient of every slot, with sample weights, against central differences of
    the loss of the network as it was written, and the loss in shards against the whole batch."""
    reference = kernel_sets.load("reference")
    for kernels in [kernel_sets.load(name) for name in kernel_sets.SETS] if _both_kernel_sets() else [reference]:
        loss.check(network)
        parts = Parts(network, tuple(input_shape), loss, SGD(0.1), seed, kernels, np.float64)
        x = asymmetric((len(y), *input_shape), seed)
        weights = 0.5 + rng.generator(seed, "weights").random(len(y))
        targets = loss.targets(y, parts.output_shape)
        step = GradientStep(parts)
        value = step(parts.p, x, targets, weights, 1)
        gradient = step.gradient.copy()
        again = GradientStep(parts)
        numeric = np.zeros_like(gradient)
        for path in parts.layout:
            array = parts.layout.array(parts.theta, path)
            numbers = numeric_gradient(lambda: again(parts.p, x, targets, weights, 1), array)  # noqa: B023
            parts.layout.array(numeric, path)[...] = numbers
        _close(f"{loss} behind {network}: the gradient", gradient, numeric, atol)
        for shards in (2, 4):
            cut = GradientStep(parts, shards)
            _close(f"{loss} in {shards} shards", np.array(cut(parts.p, x, targets, weights, 1)), np.array(value), 1e-12)
            _close(f"{loss}: the gradient in {shards} shards", cut.gradient, gradient, 1e-12)
    check_config(loss)


def _both_kernel_sets() -> bool:
    import importlib.util

    return importlib.util.find_spec("numba") is not None


def _same(what: str, one: Pass, other: Pass, bound: float) -> None:
    _close(f"{what}: Y", one.y, other.y, bound)
    _close(f"{what}: dX", one.dx, other.dx, bound)
    _close(f"{what}: the gradients", one.gradient, other.gradient, bound)
    _states(what, one, other, bound)


def _states(what: str, one: Pass, other: Pass, bound: float) -> None:
    for path, array in other.state.items():
        _close(f"{what}: {path}", one.state[path], array, bound)


def _close(what: str, got: Array | None, wanted: Array | None, bound: float) -> None:
    if got is None or wanted is None:
        assert got is wanted, f"{what}: one is None, the other is not"
        return
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))
    error = float(np.abs(got - wanted).max(initial=0)) / scale
    assert error <= bound, (
        f"{what} differ by {error:.2e} (allowed {bound:.0e})\ngot    {got.ravel()[:6]}\nwanted {wanted.ravel()[:6]}"
    )
