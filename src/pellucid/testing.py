"""Checks for layers and losses, your own included: ``check_layer(MyLayer(), (5,))``.

They raise AssertionError with the reason. The most important one is the gradient check: the derivative that a backward pass
computes is compared with central differences, (C(x + h) − C(x − h)) / 2h, in float64. It finds errors that training would show
only as slow learning.

In float64 the reference kernels compute: models have float32, and kernels of float64 would first have to be compiled, for some
seconds. The compiled kernels are compared with them in float32.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from pellucid import kernels as kernel_sets
from pellucid.core import rng
from pellucid.core.config import from_json, own_classes, to_json
from pellucid.core.memory import Array, Layout, Shape
from pellucid.core.named_arrays import unwrapped, wrapped
from pellucid.initializers import initial_values
from pellucid.kernels import Kernels, prebuilt
from pellucid.layers.activations import Identity, ReLU
from pellucid.layers.base import Layer
from pellucid.layers.dropout import Dropout
from pellucid.layers.normalization import BatchNorm
from pellucid.losses import Loss
from pellucid.losses.from_function import LossFunction, as_loss
from pellucid.model.compatibility import check_loss_and_network
from pellucid.networks import Composite, Sequential, folded, fused
from pellucid.optim import SGD
from pellucid.training.execution import Execution
from pellucid.training.parts import Shards
from pellucid.training.recording import RecordedExecution
from pellucid.training.state import ModelState
from pellucid.training.step import GradientStep

BOUNDS = ((np.float64, 1e-12), (np.float32, 1e-5))  # on relative differences of results that should be the same
DIFFERENCE = 1e-5  # h of the central differences: truncation and rounding errors are then both near 1e-10


def asymmetric(shape: Shape, seed: int = 0, away: float = 0.05) -> Array:
    """Return random float64 values whose distribution has no symmetry.

    None is closer to zero than ``away``, where a ReLU cannot be differentiated.
    """
    x = rng.generator(seed, "testing", shape).normal(0.3, 1.0, shape)
    return np.where(x < 0, x - away, x + away)


def numeric_gradient(cost: Callable[[], float], x: Array) -> Array:
    """Return ∂cost/∂x by central differences, in the shape of x.

    ``cost()`` must read the array x, whose values are changed and restored.
    """
    gradient, flat = np.zeros(x.size), x.reshape(-1)
    for i in range(x.size):
        value = flat[i]
        flat[i] = value + DIFFERENCE
        above = cost()
        flat[i] = value - DIFFERENCE
        below = cost()
        flat[i] = value
        gradient[i] = (above - below) / (2 * DIFFERENCE)
    return gradient.reshape(x.shape)


def _parts(value: Any) -> dict[str, Any]:
    """Return the values of a dictionary by name, or a single value under an empty name."""
    return dict(value) if isinstance(value, Mapping) else {"": value}


def _each(function: Callable[..., Any], value: Any, *others: Any) -> Any:
    """Return the result of the function for a value, or for each value of a dictionary and those of the same name in others."""
    if not isinstance(value, Mapping):
        return function(value, *others)
    return {name: function(value[name], *(other[name] for other in others)) for name in value}


def _random(shapes: Any, seed: int) -> Any:
    """Return asymmetric arrays of these shapes; several of the same shape have different values."""
    seeds = {name: seed + 1000 * k for k, name in enumerate(_parts(shapes))}
    return _each(asymmetric, shapes, seeds if isinstance(shapes, Mapping) else seed)


def _samples(x: Any) -> int:
    """Return the number of samples in x."""
    return len(next(iter(_parts(x).values())))


@dataclass
class Pass:
    """The results of one forward and backward pass of a layer.

    ``y`` is the output, ``dx`` the input gradient or None, ``gradient`` the flat gradient of the parameters, ``state`` the
    running statistics after the pass, by path. ``y`` and ``dx`` are dictionaries by name for a network with several outputs or
    inputs.
    """

    y: Any
    dx: Any
    gradient: Array
    state: dict[str, Array]


def run_layer(
    layer: Layer,
    x: Any,
    dy: Any = None,
    *,
    theta: Array | None = None,
    state: Mapping[str, Array] | None = None,
    kernels: Kernels | None = None,
    shards: int = 1,
    training: bool = True,
    needs_dx: bool = True,
    seed: int = 0,
) -> Pass:
    """Run one layer forward on x (n, *input shape), and backward if dy is given, in the dtype of x.

    x and dy are dictionaries by name for a network with several inputs or outputs. ``theta`` is the vector of the parameters,
    and ``state`` are the running statistics before the pass, such as those of another :class:`Pass`. By default the
    initializers compute both. With several ``shards`` the batch is spread over this number of threads, as over the ranks of a
    distributed training: ``ctx.all_sum`` sums over them, and their gradients are added. ``kernels`` are by default the
    reference kernels in float64, and those that models use in float32.
    """
    n, dtype = _samples(x), next(iter(_parts(x).values())).dtype
    kernels = kernels or _kernels_for(dtype)
    params, running = layouts(layer, _each(lambda one: one.shape[1:], x))
    theta = initial_values(params, seed, dtype) if theta is None else theta
    statistics = initial_values(running, seed, dtype)
    for path, array in (state or {}).items():
        running.array(statistics, path)[...] = array
    group = Shards(shards)
    ys: list[Any] = [None] * shards
    dxs: list[Any] = [None] * shards
    gradients = [params.zeros(dtype) for _ in range(shards)]
    for gradient in gradients:  # backward must overwrite all of it: what it does not write, or adds to, stays NaN
        for path, array in params.arrays(gradient).items():
            array.fill(np.nan if params[path].trained else 0)

    def run_shard(k: int) -> None:
        rows = slice(n * k // shards, n * (k + 1) // shards)
        execution = Execution(
            layer,
            params.views(theta),
            running.views(statistics),
            kernels,
            dtype=dtype,
            seed=seed,
            needs_dx=needs_dx,
            shard=k,
            all_sum=group.all_sum if shards > 1 else None,
        )
        part = _each(lambda one: one[rows], x)
        y = execution.forward(part, training=training, keep=dy is not None, step=1, offset=rows.start)
        ys[k] = _each(np.copy, unwrapped(y))
        if dy is not None:
            dx = unwrapped(execution.backward(_each(lambda one: one[rows].copy(), dy), params.views(gradients[k])))
            dxs[k] = None if dx is None else _each(np.copy, dx)

    group.run(run_shard)
    for other in gradients[1:]:
        kernels.add(gradients[0], other)
    y, dx = (None if parts[0] is None else _each(lambda *arrays: np.concatenate(arrays), *parts) for parts in (ys, dxs))
    return Pass(y, dx, gradients[0], running.arrays(statistics))


def layouts(layer: Layer, shape: Any) -> tuple[Layout, Layout]:
    """Return the layouts of a layer's parameters and of its running statistics."""
    slots = layer.build(shape).slots
    return Layout({n: s for n, s in slots.items() if not s.state}), Layout({n: s for n, s in slots.items() if s.state})


def _with_biases(params: Layout, seed: int) -> Array:
    """Return initial values in which biases are not zero, so that a lost bias is noticed."""
    theta = initial_values(params, seed, np.float64)
    for path in params:
        params.array(theta, path)[...] += 0.1 * asymmetric(params[path].shape, seed + 1)
    return theta


def check_layer(
    layer: Layer,
    input_shape: Sequence[int] | Mapping[str, Sequence[int]],
    *,
    batch: int = 5,
    seed: int = 0,
    atol: float = 1e-6,
    entries: int | None = None,
) -> None:
    """Check a layer with the tests that Pellucid's own layers pass. Raises AssertionError with the reason if one fails.

    The input is a random batch (``batch``, *``input_shape``); for a network with several inputs, ``input_shape`` is a
    dictionary of shapes by name. The tests are:

    - the output has the shape that ``build`` returned, and X is unchanged;
    - the gradients of the input and of every slot agree with central differences within ``atol``, in float64: in training,
      in prediction if the layer computes another function then, and for the slots even if dX is not requested;
    - a batch spread over shards, some of them empty, has the results of the whole batch, including running statistics;
    - the reference and the compiled kernels agree in float32, in training and in prediction;
    - steps that are recorded and replayed have the bits of steps that are interpreted, on other data;
    - a network with a ReLU before and after the layer, or a network with several inputs or outputs alone, has the same results
      fused and unfused, and in prediction in the folded form, also with a batch normalization after the layer;
    - the settings survive the conversion to JSON and back.

    The gradients of frozen parameters must be zero. With ``entries`` the input consists of integers from 0 to entries − 1, as
    for an Embedding, and the input gradient must be zero.
    """
    shape = _each(tuple, input_shape)
    x = _batch(shape, batch, entries, seed)
    before = _each(np.copy, x)
    params, _ = layouts(layer, shape)
    theta = _with_biases(params, seed)
    expected = _each(lambda one: (batch, *one), layer.build(shape).shape)
    dy = _random(expected, seed + 2)
    actual = _each(np.shape, run_layer(layer, x, theta=theta, seed=seed).y)
    assert actual == expected, f"{layer}: build returns the shape {expected}, forward an output of {actual}"
    out = run_layer(layer, x, dy, theta=theta, seed=seed)
    unchanged = _parts(_each(np.array_equal, x, before))
    assert all(unchanged.values()), f"{layer}: forward or backward has written to its input"
    settings: dict[str, Any] = {"seed": seed, "atol": atol, "integers": entries is not None}
    check_gradients(layer, x, dy, out, theta=theta, **settings)
    without_dx = run_layer(layer, x, dy, theta=theta, needs_dx=False, seed=seed)
    _close(f"{layer}: the gradients where dX is not requested", without_dx.gradient, out.gradient, 1e-12)
    predicted = run_layer(layer, x, dy, theta=theta, state=out.state, training=False, seed=seed)
    _same_state(f"{layer}: running statistics before and after prediction", predicted, out, 0)
    if not all(_parts(_each(np.array_equal, predicted.y, out.y)).values()):
        check_gradients(layer, x, dy, predicted, theta=theta, state=out.state, training=False, **settings)
    for shards in (2, batch + 2):
        spread = run_layer(layer, x, dy, theta=theta, shards=shards, seed=seed)
        _same(f"{layer}: {shards} shards and the whole batch", spread, out, 1e-12)
    if _both_kernel_sets():
        for training in (True, False):
            check_kernels(layer, x, dy, theta=theta, state=out.state, training=training, seed=seed)
    check_recording(layer, [_batch(shape, batch, entries, seed + k) for k in range(4)], dy, theta=theta, seed=seed)
    check_fusion(layer, shape, x=x, seed=seed)
    check_config(layer)


def _batch(shape: Any, batch: int, entries: int | None, seed: int) -> Any:
    """Return random samples (batch, *shape): integers from 0 to entries − 1, or numbers without ``entries``."""
    if entries is None:
        return _random(_each(lambda one: (batch, *one), shape), seed)
    return _each(lambda one: rng.generator(seed, "testing", one).integers(0, entries, (batch, *one)).astype(np.float64), shape)


def check_gradients(
    layer: Layer,
    x: Any,
    dy: Any,
    out: Pass,
    *,
    theta: Array,
    state: Mapping[str, Array] | None = None,
    training: bool = True,
    seed: int = 0,
    atol: float = 1e-6,
    integers: bool = False,
) -> None:
    """Compare the gradients in ``out``, the layer's pass on x and dy, with central differences of Σ y dy.

    The gradients of frozen parameters, and the input gradient where the inputs are ``integers``, are compared with zero.
    """

    def cost() -> float:
        y = run_layer(layer, x, theta=theta, state=state, training=training, seed=seed).y
        return sum(float(part.sum()) for part in _parts(_each(np.multiply, y, dy)).values())

    mode = "" if training else " in prediction"
    assert out.dx is not None, f"{layer}: backward returns None although ctx.needs_dx"
    dx = _parts(out.dx)
    for name, part in _parts(x).items():
        which = f" of {name}" if name else ""
        assert dx[name].shape == part.shape, f"{layer}: the input{which} is {part.shape}, its gradient {dx[name].shape}"
        numeric = np.zeros(part.shape) if integers else numeric_gradient(cost, part)
        _close(f"{layer}: dX{which}{mode}", dx[name], numeric, atol)
    params, _ = layouts(layer, _each(lambda one: one.shape[1:], x))
    for path in params:
        array = params.array(theta, path)
        numeric = numeric_gradient(cost, array) if params[path].trained else np.zeros(array.shape)
        _close(f"{layer}: the gradient of {path}{mode}", params.array(out.gradient, path), numeric, atol)


def check_kernels(
    layer: Layer, x: Any, dy: Any, *, theta: Array, state: Mapping[str, Array], training: bool, seed: int = 0
) -> None:
    """Compare the results with the reference and the compiled kernels, in float32."""
    x, dy = (_each(lambda one: one.astype(np.float32), value) for value in (x, dy))
    reference, compiled = (
        run_layer(
            layer,
            x,
            dy,
            theta=theta.astype(np.float32),
            state=state,
            kernels=kernel_sets.load(name),
            training=training,
            seed=seed,
        )
        for name in kernel_sets.SETS
    )
    what = f"reference and compiled kernels{'' if training else ', in prediction'}"
    _same(f"{layer}: {what}", reference, compiled, 1e-5)


def check_recording(layer: Layer, xs: Sequence[Any], dy: Any, *, theta: Array, seed: int = 0) -> None:
    """Compare steps that are recorded and replayed with steps that are interpreted: all bits are the same.

    ``xs`` are samples for as many steps, with the same parameters and upstream gradient. Checks nothing where calls of kernels
    cannot be recorded.
    """
    kernels = kernel_sets.load()
    recorder = kernels.recorder(kernels)
    if recorder is None:
        return
    alone = isinstance(layer, Composite) and layer.ports().several
    network = layer if alone else Sequential(Identity(), layer)
    params, running = layouts(network, _each(lambda one: one.shape[1:], xs[0]))
    dtype = np.float32
    passes: list[tuple[Any, Any, Array]] = []
    for used in (kernels, recorder):
        vectors = theta.astype(dtype), initial_values(running, seed, dtype)
        views = params.views(vectors[0]), running.views(vectors[1])
        execution = Execution(network, *views, used, dtype=dtype, seed=seed, needs_dx=True)
        passes.append((RecordedExecution(execution, used) if used is recorder else execution, vectors, params.zeros(dtype)))
    for step, x in enumerate(xs, start=1):
        results = []
        for execution, (_, statistics), gradient in passes:
            x_cast, dy_cast = (wrapped(_each(lambda one: np.array(one, dtype), value)) for value in (x, dy))
            y = execution.forward(x_cast, training=True, keep=True, step=step)
            y = _each(np.copy, unwrapped(y))
            dx = _each(np.copy, unwrapped(execution.backward(dy_cast, params.views(gradient))))
            results.append(Pass(y, dx, gradient.copy(), running.arrays(statistics.copy())))
            predicted = execution.forward(x_cast)  # with the running statistics of this step
            results.append(Pass(_each(np.copy, unwrapped(predicted)), None, gradient, {}))
        for k, what in enumerate(("step", "prediction after step")):
            interpreted, replayed = results[k::2]
            _same(f"{layer}: {what} {step}, recorded and interpreted", replayed, interpreted, 0)


def check_fusion(layer: Layer, input_shape: Any, *, x: Any = None, batch: int = 5, seed: int = 0) -> None:
    """Compare the fused and the unfused form of a network with a ReLU before and after the layer, and the folded form as well.

    A network with several inputs or outputs cannot be inside another one; its own forms are compared.
    """
    alone = isinstance(layer, Composite) and layer.ports().several
    network = layer if alone else Sequential(ReLU(), layer, ReLU())
    plan = fused(network)
    assert layouts(plan, input_shape)[0].table() == layouts(network, input_shape)[0].table(), (
        f"{layer}: fusion changes the slots"
    )
    x = _random(_each(lambda one: (batch, *one), input_shape), seed) if x is None else x
    n = _samples(x)
    dy = _random(_each(lambda one: (n, *one), network.build(input_shape).shape), seed + 2)
    theta = _with_biases(layouts(network, input_shape)[0], seed)
    for dtype, bound in BOUNDS:
        x_cast, dy_cast = (_each(lambda one, dtype=dtype: one.astype(dtype), value) for value in (x, dy))
        vector = theta.astype(dtype)
        ours, expected = (run_layer(form, x_cast, dy_cast, theta=vector, seed=seed) for form in (plan, network))
        _same(f"{layer}: fused and unfused", ours, expected, bound)
    check_folding(network, x, seed=seed)
    if not alone and layer.build(input_shape).shape:
        check_folding(Sequential(layer, BatchNorm(), ReLU()), x, seed=seed)
        check_folding(Sequential(layer, Dropout(), BatchNorm(), ReLU()), x[:1], seed=seed)


def check_folding(network: Layer, x: Any, *, seed: int = 0) -> None:
    """Compare predictions in the folded form of a network with those of the network itself, with random running statistics, in
    float64 and in float32."""
    params, running = layouts(network, _each(lambda one: one.shape[1:], x))
    statistics = initial_values(running, seed, np.float64)
    for path in running:
        array = running.array(statistics, path)
        array += np.abs(asymmetric(array.shape, seed + 3))  # positive, because some are variances
    for dtype, bound in BOUNDS:
        p = params.views(_cast(params, _with_biases(params, seed), dtype))
        state = running.views(_cast(running, statistics, dtype))
        batch = _each(lambda one, dtype=dtype: one.astype(dtype), x)
        ours, expected = (
            _parts(unwrapped(Execution(form, p, state, _kernels_for(dtype), dtype=dtype, seed=seed).forward(batch)))
            for form in (folded(network), network)
        )
        for name, part in expected.items():
            _close(f"{network}: {name or 'the output'}, folded and not", ours[name], part, bound)


def _cast(layout: Layout, vector: Array, dtype: Any) -> Array:
    """Return a copy of the vector in that dtype, with the alignment that kernels expect."""
    copy = layout.zeros(dtype)
    copy[:] = vector
    return copy


def check_config(value: Any) -> None:
    """Check that the settings survive the conversion to JSON and back."""
    restored = from_json(to_json(value), type(value), custom_classes=own_classes(value))
    assert restored == value, f"{value} becomes {restored} after the conversion to JSON and back"


def check_loss(
    loss: Loss | LossFunction,
    network: Layer,
    input_shape: Sequence[int],
    y: Array,
    *,
    atol: float = 1e-6,
    seed: int = 0,
) -> None:
    """Check a loss after a network, for the targets ``y`` and random samples. Raises AssertionError with the reason.

    ``loss`` may be a function, as in ``compile(loss=function)``.

    - The gradient of every slot, with sample weights, agrees with central differences of the loss within ``atol``.
    - The loss and its gradient are the same for a batch in parts and for the whole batch, unless the loss compares samples.
    - The settings survive the conversion to JSON and back.
    """
    loss = cast(Loss, as_loss(loss))
    for kernels in [kernel_sets.load(name) for name in (kernel_sets.SETS if _both_kernel_sets() else ("reference",))]:
        check_loss_and_network(loss, network)
        state = ModelState(network, tuple(input_shape), loss, SGD(0.1), seed, kernels, np.float64)
        x = asymmetric((len(y), *input_shape), seed)
        weights = 0.5 + rng.generator(seed, "weights").random(len(y))
        targets = state.output.targets(y)
        step = GradientStep(state)
        value = step(x, targets, weights, 1)
        gradient = step.gradient.copy()
        repeated = GradientStep(state)  # a second step, so that the gradient above is not overwritten
        numeric = np.zeros_like(gradient)
        for path in state.layout:
            array = state.layout.array(state.parameters, path)
            differences = numeric_gradient(lambda: repeated(x, targets, weights, 1), array)  # noqa: B023
            state.layout.array(numeric, path)[...] = differences
        _close(f"{loss} after {network}: the gradient", gradient, numeric, atol)
        if loss.compares_samples:
            continue
        z = state.execution().forward(x, training=True, step=1).copy()
        scale = 1 / (state.output.count * float(weights.sum()))
        whole_a, a = (np.empty((len(z), *state.output.metric_shape)) for _ in range(2))
        whole_dz, dz = (np.empty_like(z) for _ in range(2))
        state.output.compute(z, targets, state.output.row_weights(weights), scale, whole_a, whole_dz)
        for parts in (2, 4):
            total = 0.0
            for k in range(parts):
                rows = slice(len(y) * k // parts, len(y) * (k + 1) // parts)
                w = state.output.row_weights(weights[rows])
                total += state.output.compute(z[rows], targets[rows], w, scale, a[rows], dz[rows])
            _close(f"{loss} in {parts} parts", np.array(total * scale), np.array(value), 1e-12)
            _close(f"{loss}: the outputs in {parts} parts", a, whole_a, 1e-12)
            _close(f"{loss}: the gradient in {parts} parts", dz, whole_dz, 1e-12)
    check_config(loss)


def _kernels_for(dtype: Any) -> Kernels:
    """Return the kernels to check with in this dtype."""
    return kernel_sets.load("reference" if dtype == np.float64 else None)


def _both_kernel_sets() -> bool:
    """Return whether the compiled kernels can be used."""
    return prebuilt.library() is not None or importlib.util.find_spec("numba") is not None


def _same(what: str, actual: Pass, expected: Pass, bound: float) -> None:
    """Raise AssertionError unless the results of two passes are close; ``what`` begins the message."""
    for kind, one, other in (("Y", actual.y, expected.y), ("dX", actual.dx, expected.dx)):
        for name, part in _parts(other).items():
            _close(f"{what}: {kind}{f' of {name}' if name else ''}", _parts(one)[name], part, bound)
    _close(f"{what}: the gradients", actual.gradient, expected.gradient, bound)
    _same_state(what, actual, expected, bound)


def _same_state(what: str, actual: Pass, expected: Pass, bound: float) -> None:
    """Raise AssertionError unless the running statistics after two passes are close."""
    for path, array in expected.state.items():
        _close(f"{what}: {path}", actual.state[path], array, bound)


def _close(what: str, actual: Array | None, expected: Array | None, bound: float) -> None:
    """Raise AssertionError unless two arrays differ by at most ``bound``, relative to the largest value if that is above 1."""
    if actual is None or expected is None:
        assert actual is expected, f"{what}: one is None, the other is not"
        return
    scale = max(1.0, float(np.abs(expected).max(initial=0)))
    error = float(np.abs(actual - expected).max(initial=0)) / scale
    assert error <= bound, (
        f"{what} differ by {error:.2e} (allowed {bound:.0e})\nactual   {actual.ravel()[:6]}\nexpected {expected.ravel()[:6]}"
    )
