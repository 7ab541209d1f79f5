"""Tests of the kernel pairs: both sets implement the interface, compiled matches reference, and both match SciPy."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.special

from pellucid import kernels as kernel_sets
from pellucid.errors import ConfigError
from pellucid.kernels import compiled, reference
from pellucid.kernels.interface import KERNEL_NAMES, SUBJECTS, KernelRuntime, Kernels
from pellucid.kernels.window import Window
from tests.kernels.dtypes import DTYPES

BOTH = pytest.mark.parametrize("kernels", [reference, compiled], ids=["reference", "compiled"])
WINDOWS = [Window(2, 2, 2, 2), Window(3, 3, 2, 2), Window(3, 2, 1, 2, 1, 0), Window(2, 3, 3, 3), Window(3, 3, 2, 2, 1, 1, 2, 2)]
CELLS = ("rnn", "lstm", "gru")
SHAPES = [(1, 1), (1, 7), (0, 4), (5, 3), (8, 64), (3, 700)]  # one value, one sample, no sample, more than a block


def pooled_size(window: Window, h: int, w: int) -> tuple[int, int]:
    """Return the (height, width) of the outputs of a window on an h × w image with the same padding on opposite sides."""
    rows = (h + 2 * window.top - (window.kh - 1) * window.dh - 1) // window.sh + 1
    return rows, (w + 2 * window.left - (window.kw - 1) * window.dw - 1) // window.sw + 1


def make(shape: tuple[int, int], dtype: Any, seed: int) -> SimpleNamespace:
    """Return arguments for every kernel, for n samples of k values; most kernels write only to arrays called out…"""
    rng = np.random.default_rng(seed)
    n, k = shape
    o = int(rng.integers(1, 6))

    def normal(*size: int) -> Any:
        return rng.normal(0, 2, size).astype(dtype)

    cell, T, u = CELLS[seed % 3], int(rng.integers(1, 5)), int(rng.integers(1, 40))
    gates = u if cell == "rnn" else 4 * u
    outputs, states = (n, T * (seed % 2), u), 2 if cell == "lstm" else 1
    soft = rng.random(shape) + 0.1
    place = Window(*map(int, [*rng.integers(1, 4, 2), *rng.integers(1, 4, 2), *rng.integers(0, 3, 2), *rng.integers(1, 3, 2)]))
    g, ih, iw, c, oh, ow, f = map(int, rng.integers(1, 5, 7))
    window, (h, w) = WINDOWS[seed % len(WINDOWS)], rng.integers(5, 9, 2)
    pooled = n, *pooled_size(window, h, w), k
    images, indices = normal(n, h, w, k), np.zeros(pooled, np.uint8)
    reference.max_pool(images, window, normal(*pooled), indices)
    return SimpleNamespace(
        **vars(make_attention(n, dtype, seed)),
        x=normal(n, k),
        y=normal(n, k),
        dy=normal(n, k),
        dz=normal(n, o),
        z=normal(n, o),
        W=normal(k, o),
        b=normal(o),
        weights=rng.random(n).astype(dtype),
        labels=rng.integers(0, k, n),
        soft=(soft / soft.sum(1, keepdims=True)).astype(dtype),
        binary=rng.integers(0, 2, shape).astype(dtype),
        scale=float(rng.random()),
        smoothing=0.1 * (seed % 2),
        signs=np.where(rng.random((n, 1)) < 0.5, -1, 1).astype(dtype),
        out_hinge=normal(n, 1),
        out=normal(n, k),
        out2=normal(n, k),
        out_o=normal(n, o),
        out_W=normal(k, o),
        out_b=normal(o),
        table=np.zeros((k, k)),
        bytes=rng.integers(0, 256, (n + 2, k), dtype=np.uint8),
        data=normal(n + 2, k),
        rows=rng.integers(0, n + 2, n),
        place=place,
        groups=g,
        conv_images=normal(n, ih, iw, g * c),
        taps=normal(place.kh, place.kw, c, g * f),
        bias=normal(g * f),
        maps=normal(n, oh, ow, g * f),
        dmaps=normal(n, oh, ow, g * f),
        out_conv_images=normal(n, ih, iw, g * c),
        out_maps=normal(n, oh, ow, g * f),
        out_taps=normal(place.kh, place.kw, c, g * f),
        out_bias=normal(g * f),
        flat=normal(n * k),
        g=normal(n * k),
        m=normal(n * k),
        v=abs(normal(n * k)),
        mean=rng.normal(size=k),
        rstd=rng.random(k),
        mean2=rng.normal(size=k),
        mean3=rng.normal(size=k),
        gamma=normal(k),
        beta=normal(k),
        row_mean=normal(n),
        row_rstd=abs(normal(n)),
        byte_images=rng.integers(0, 256, (n + 2, h, w, k), dtype=np.uint8),
        affine=normal(n, 6),
        fields=normal(n, 2, 6),
        down=normal(h, 2),
        across=normal(w, 3),
        thickness=rng.uniform(-1, 1, n).astype(dtype) * rng.integers(0, 2, n),
        boxes=rng.integers(0, 5, (n, 4)),
        out_warped=normal(n, h, w, k),
        channel_bias=normal(k),
        variance=abs(normal(k)),
        out_mean=rng.normal(size=k),
        out_m2=rng.normal(size=k),
        out_gamma=normal(k),
        out_variance=abs(normal(k)),
        out_beta=normal(k),
        out_rows=normal(n),
        out_rows2=normal(n),
        cell=seed % 3,
        steps=normal(n, T, k),
        V=normal(u + k, gates) / np.sqrt(u + k).astype(dtype),
        vb=normal(gates),
        mask=rng.random((n, T)) < 0.8,
        drops=normal(n, u * (seed // 6 % 2)),
        out_hx=normal(T + 1, n, u + k),
        out_gates=normal(T, n, gates) / 4,
        out_c=normal(T + 1, n, u if cell == "lstm" else 0),
        out_states=normal(*outputs),
        dstates=normal(*outputs),
        dlast=normal(n, min(states, seed // 2 % 3), u),
        out_steps=normal(n, T, k * (seed % 4 > 0)),
        out_first=normal(n, states * (seed % 5 > 0), u),
        window=window,
        images=images,
        indices=indices,
        dpooled=normal(*pooled),
        dmeans=normal(n, k),
        out_images=normal(n, h, w, k),
        out_pooled=normal(*pooled),
        out_indices=np.zeros(pooled, np.uint8),
        out_means=normal(n, k),
        segments=5 * normal(n, 4),
        out_strokes=normal(h, w),
        statistics=normal(n, g),
        statistics2=abs(normal(n, g)),
        out_statistics=normal(n, g),
        out_statistics2=normal(n, g),
        bias2=normal(g * f),
        out_bias2=normal(g * f),
        table_rows=normal(n + 2, k),
        levels=rng.random(k),
        out_wide=normal(n, 2 * k),
        large_images=normal(n, h * (1 + seed % 3), w * (1 + seed // 3 % 3), k),
        out_large_images=normal(n, h * (1 + seed % 3), w * (1 + seed // 3 % 3), k),
        step_table=normal(T + seed % 3, k),
        firsts=rng.integers(0, 1 + seed % 3, n),
        out_time=normal(n, T, k),
        out_step_table=normal(T + seed % 3, k),
        columns=rng.integers(0, k, u),
        out_columns=normal(n, u),
        frequencies=normal(k, u) / 10,
        phases=rng.uniform(-0.5, 0.5, (k, u)).astype(dtype),
        dwaves=normal(n, k, u),
        out_waves=normal(n, k, u),
        out_frequencies=normal(k, u) / 10,
        out_phases=normal(k, u),
        bins=np.sort(rng.integers(0, k, u)),
        lines=np.array([rng.normal(size=u), 0.5 + rng.random(u), np.full(u, -0.5), np.full(u, 1.0)], dtype),
        position_W=normal(k, u, T),
        position_b=normal(k, T),
        dpositions=normal(n, k, T),
        out_positions=normal(n, k, T),
        out_position_W=normal(k, u, T),
        out_position_b=normal(k, T),
        map_mean=rng.normal(size=g * f),
        map_rstd=rng.random(g * f),
        map_mean2=rng.normal(size=g * f),
        map_mean3=rng.normal(size=g * f),
        **vars(make_sparse(n, k, dtype, seed)),
    )


def make_sparse(n: int, k: int, dtype: Any, seed: int) -> SimpleNamespace:
    """Return sparse rows (n, k): some are empty, columns are in any order and may repeat, and the first rows are cut off."""
    rng = np.random.default_rng(seed + 200)
    starts = 2 + np.concatenate([[0], np.cumsum(rng.integers(0, 2 * k, n) * rng.integers(0, 2, n))])
    return SimpleNamespace(
        entries=rng.normal(0, 2, starts[-1]).astype(dtype), entry_columns=rng.integers(0, k, starts[-1]), starts=starts
    )


ATTENTION_NOISE = 0xFEDCBA9876543210, 2**31  # key and offset of the dropout


def make_attention(n: int, dtype: Any, seed: int) -> SimpleNamespace:
    """Return arguments for the kernels of attention: keys and values are columns of one matrix. Each query reads a key."""
    rng = np.random.default_rng(seed + 100)
    heads, d, causal, rate = int(rng.integers(1, 4)), int(rng.integers(1, 40)), bool(seed % 2), 0.3 * (seed % 4 > 1)
    late = int(rng.integers(1, 60) if seed % 3 else rng.integers(100, 300))  # or several tiles, tasks and blocks of keys
    early = late if seed % 5 else int(rng.integers(1, late + 1))
    w = heads * d

    def normal(*size: int) -> Any:
        return rng.normal(0, 1, size).astype(dtype)

    mask = (rng.random((n, late if seed % 7 < 3 else 0)) < 0.7).astype(dtype)
    mask[:, :1] = 1
    queries, keys_values, log_sum, attended = (
        normal(n, early, w),
        normal(n, late, 2 * w),
        normal(n, heads, early),
        normal(n, early, w),
    )
    options, further = (heads, mask, causal, rate, *ATTENTION_NOISE), int(rng.integers(1, 4))
    reference.attention(queries, keys_values[..., :w], keys_values[..., w:], *options, log_sum, attended)
    return SimpleNamespace(
        key_mask=mask,
        causal=causal,
        rate=rate,
        queries=queries,
        keys_values=keys_values,
        log_sum=log_sum,
        attended=attended,
        dattended=normal(n, early, w),
        angles=normal(late, 2, d),
        heads=heads,
        inverse=bool(seed % 2),
        further=normal(n, further, 3 * w),  # positions, after those that are read
        already_read=rng.integers(0, late, n),
        out_keys=normal(n, w, late + further),
        out_values=normal(n, late + further, w),
        out_log_sum=normal(n, heads, early),
        out_attended=normal(n, early, w),
        out_queries=normal(n, early, w),
        out_keys_values=normal(n, late, 2 * w),
    )


# A call of each kernel. Its return value and the arrays that it writes are both compared.
ROWS: dict[str, Callable[[Any, SimpleNamespace], Any]] = {
    "absolute_error": lambda k, a: k.absolute_error(a.x, a.y, a.weights, a.scale, a.out),
    "add_positions": lambda k, a: k.add_positions(a.steps, a.step_table, a.firsts, a.out_time),
    "adadelta": lambda k, a: k.adadelta(a.flat, a.g, np.abs(a.m, out=a.m), a.v, 0.9, 0.95, 1e-6),
    "adagrad": lambda k, a: k.adagrad(a.flat, a.g, a.v, 0.1, 0.2, 1e-10),
    "adam": lambda k, a: k.adam(a.flat, a.g, a.m, a.v, 0.01, 0.9, 0.999, 1e-8, 3),
    "adamax": lambda k, a: k.adamax(a.flat, a.g, a.m, a.v, 0.01, 0.9, 0.999, 1e-8, 3),
    "add": lambda k, a: k.add(a.flat, a.g),
    "add_penalty": lambda k, a: k.add_penalty(a.g, a.flat, 0.3, 0.2),
    "add_normal": lambda k, a: k.add_normal(a.x, 0xFEDCBA9876543210, 2**32 - 2, 0.4, a.out),
    "add_relu": lambda k, a: k.add_relu(a.x, a.y, a.out),
    "batch_statistics": lambda k, a: k.batch_statistics(
        float(max(len(a.x), 1)), a.mean, a.rstd, 0.9, 1e-3, a.out_gamma, a.out_variance, a.out_mean
    ),
    "copy": lambda k, a: k.copy(a.g, a.flat),
    "copy_columns": lambda k, a: k.copy_columns(a.x, a.out_wide[:, : a.x.shape[1]]),
    "add_columns": lambda k, a: k.add_columns(a.out, a.out_wide[:, a.x.shape[1] :]),
    "add_scaled": lambda k, a: k.add_scaled(a.g, a.flat, 0.3),
    "affine": lambda k, a: k.affine(a.x, a.W, a.b, a.out_o),
    "affine_backward": lambda k, a: k.affine_backward(a.x, a.dz, a.out_W, a.out_b),
    "affine_input_gradient": lambda k, a: k.affine_input_gradient(a.dz, a.W, a.out),
    "affine_relu": lambda k, a: k.affine_relu(a.x, a.W, a.b, a.out_o),
    "affine_relu_backward": lambda k, a: k.affine_relu_backward(a.x, np.maximum(a.z, 0), a.dz, a.out_W, a.out_b),
    "all_finite": lambda k, a: k.all_finite(a.x),
    "amsgrad": lambda k, a: k.amsgrad(a.flat, a.g, a.m, a.v, np.abs(a.out, out=a.out).reshape(-1), 0.01, 0.9, 0.99, 1e-8, 3),
    "attention": lambda k, a: k.attention(
        a.queries,
        *np.split(a.keys_values, 2, axis=2),
        a.heads,
        a.key_mask,
        a.causal,
        a.rate,
        *ATTENTION_NOISE,
        a.out_log_sum,
        a.out_attended,
    ),
    "attention_backward": lambda k, a: k.attention_backward(
        a.queries,
        *np.split(a.keys_values, 2, axis=2),
        a.heads,
        a.key_mask,
        a.causal,
        a.rate,
        *ATTENTION_NOISE,
        a.log_sum,
        a.attended,
        a.dattended,
        a.out_queries,
        *np.split(a.out_keys_values, 2, axis=2),
    ),
    "average_pool": lambda k, a: k.average_pool(a.images, a.window, a.out_pooled),
    "average_pool_backward": lambda k, a: k.average_pool_backward(a.dpooled, a.window, a.out_images),
    "clip": lambda k, a: k.clip(a.g, 0.5),
    "confusion": lambda k, a: k.confusion(a.x, a.labels, a.weights, a.table),
    "conv2d": lambda k, a: k.conv2d(a.conv_images, a.taps, a.bias, a.place, a.groups, a.out_maps),
    "conv2d_backward": lambda k, a: k.conv2d_backward(a.conv_images, a.maps, a.place, a.groups, a.out_taps, a.out_bias),
    "conv2d_input_gradient": lambda k, a: k.conv2d_input_gradient(a.maps, a.taps, a.place, a.groups, a.out_conv_images),
    "conv2d_normalized_backward": lambda k, a: k.conv2d_normalized_backward(
        a.conv_images,
        a.taps,
        a.maps,
        a.map_mean,
        a.map_rstd,
        a.bias2,
        a.dmaps.copy(),  # may be overwritten
        a.map_mean2,
        a.map_mean3,
        a.place,
        a.groups,
        a.out_taps,
        a.out_conv_images,
    ),
    "conv2d_relu": lambda k, a: k.conv2d_relu(a.conv_images, a.taps, a.bias, a.place, a.groups, a.out_maps),
    "conv2d_relu_backward": lambda k, a: k.conv2d_relu_backward(
        a.conv_images, np.maximum(a.maps, 0), a.dmaps, a.place, a.groups, a.out_taps, a.out_bias
    ),
    "cosine_distance": lambda k, a: k.cosine_distance(a.x, a.y * (a.weights > 0.3)[:, None], a.weights, a.scale, a.out),
    "count_correct": lambda k, a: k.count_correct(a.x, a.labels, a.weights),
    "dropout": lambda k, a: k.dropout(a.x, 0xFEDCBA9876543210, 2**32 - 2, 0.4, a.out),
    "elu": lambda k, a: k.elu(a.x, 0.7, a.out),
    "elu_gradient": lambda k, a: k.elu_gradient(a.x, 0.7, a.dy, a.dy),
    "fold_normalization": lambda k, a: k.fold_normalization(
        a.x, a.channel_bias, a.mean, a.rstd, a.gamma, a.beta, a.out, a.out_beta
    ),
    "gather": lambda k, a: k.gather(a.data, a.rows, a.out),
    "gather_scaled": lambda k, a: k.gather_scaled(a.bytes, a.rows, 1 / 255, a.out),
    "gelu": lambda k, a: k.gelu(a.x, a.scale < 0.5, a.out),
    "gelu_gradient": lambda k, a: k.gelu_gradient(a.x, a.scale < 0.5, a.dy, a.dy),
    "focal_cross_entropy": lambda k, a: k.focal_cross_entropy(
        a.x, a.soft * (a.soft > 0.1), a.weights, a.scale, a.levels, 0.7, 2.5 * (a.scale < 0.7), a.out, a.out2
    ),
    "gaussian": lambda k, a: k.gaussian(np.concatenate([a.x, a.dy], axis=1), a.y, a.weights, a.scale, 1e-3, a.out, a.out_wide),
    "global_average_pool": lambda k, a: k.global_average_pool(a.images, a.out_means),
    "global_average_pool_backward": lambda k, a: k.global_average_pool_backward(a.dmeans, a.out_images),
    "hinge": lambda k, a: k.hinge(a.x[:, :1].copy(), a.signs, a.weights, a.scale, a.out_hinge),
    "hinge_labels": lambda k, a: k.hinge_labels(a.x, a.labels, a.weights, a.scale, a.out),
    "huber": lambda k, a: k.huber(a.x, a.y, a.weights, a.scale, 1.5, a.out),
    "group_norm": lambda k, a: k.group_norm(a.maps, a.bias, a.bias2, 1e-3, a.out_maps, a.out_statistics, a.out_statistics2),
    "group_norm_backward": lambda k, a: k.group_norm_backward(
        a.maps, a.bias, a.statistics, a.statistics2, a.dmaps, a.out_bias, a.out_bias2, a.dmaps
    ),
    "hard_sigmoid": lambda k, a: k.hard_sigmoid(a.x, a.out),
    "hard_sigmoid_gradient": lambda k, a: k.hard_sigmoid_gradient(a.y, a.dy, a.dy),
    "hard_swish": lambda k, a: k.hard_swish(a.x, a.out),
    "hard_swish_gradient": lambda k, a: k.hard_swish_gradient(a.x, a.dy, a.dy),
    "draw_strokes": lambda k, a: k.draw_strokes(a.segments, 1.3, a.out_strokes),
    "layer_norm": lambda k, a: k.layer_norm(a.x, a.gamma, a.beta, 1e-3, a.out, a.out_rows, a.out_rows2),
    "layer_norm_backward": lambda k, a: k.layer_norm_backward(
        a.x, a.gamma, a.row_mean, a.row_rstd, a.dy, a.out_gamma, a.out_beta, a.dy
    ),
    "clip_column_norms": lambda k, a: k.clip_column_norms(a.out, 1.5),
    "clip_norm": lambda k, a: k.clip_norm(a.g, 1.5, np.full(len(a.x) % 2, 9.0)),  # known, or not
    "lion": lambda k, a: k.lion(a.flat, a.g, a.m, 0.01, 0.9, 0.99),
    "leaky_relu": lambda k, a: k.leaky_relu(a.x, 0.1, a.out),
    "leaky_relu_gradient": lambda k, a: k.leaky_relu_gradient(a.y, 0.1, a.dy, a.out),
    "log_softmax": lambda k, a: k.log_softmax(a.x, a.out),
    "log_softmax_gradient": lambda k, a: k.log_softmax_gradient(np.log(a.soft), a.dy, a.dy),
    "max_pool": lambda k, a: k.max_pool(a.images, a.window, a.out_pooled, a.out_indices),
    "max_pool_backward": lambda k, a: k.max_pool_backward(a.dpooled, a.indices, a.window, a.out_images),
    "means_of_sums": lambda k, a: k.means_of_sums(3.0, a.gamma, a.beta, a.out_mean, a.out_m2),
    "mish": lambda k, a: k.mish(a.x, a.out),
    "mish_gradient": lambda k, a: k.mish_gradient(a.x, a.dy, a.out),
    "moments": lambda k, a: k.moments(a.x, a.out_mean, a.out_m2),
    "nadam": lambda k, a: k.nadam(a.flat, a.g, a.m, a.v, 0.01, 0.02, 0.9, 0.999, 1e-8, 3),
    "normalize": lambda k, a: k.normalize(a.x, a.mean, a.rstd, a.gamma, a.beta, a.out),
    "normalize_backward": lambda k, a: k.normalize_backward(a.x, a.mean, a.rstd, a.dy, a.out_gamma, a.out_beta),
    "normalize_input_gradient": lambda k, a: k.normalize_input_gradient(
        a.x, a.mean, a.rstd, a.gamma, a.dy, a.mean2, a.mean3, a.dy
    ),
    "normalize_relu": lambda k, a: k.normalize_relu(a.x, a.mean, a.rstd, a.gamma, a.beta, a.out),
    "normalize_relu_backward": lambda k, a: k.normalize_relu_backward(
        a.x, np.maximum(a.y, 0), a.mean, a.rstd, a.dy, a.out_gamma, a.out_beta
    ),
    "pinball": lambda k, a: k.pinball(a.x, a.y, a.weights, a.scale, a.levels, a.out),
    "poisson": lambda k, a: k.poisson(a.x, abs(a.y), a.weights, a.scale, a.out, a.out2),
    "positions_gradient": lambda k, a: k.positions_gradient(a.steps, a.out_step_table),
    "radam": lambda k, a: k.radam(a.flat, a.g, a.m, a.v, 0.02, 2.5, 0.9, 0.99, 1e-8),
    "recurrent": lambda k, a: k.recurrent(
        CELLS[a.cell], a.steps, a.V, a.vb, a.mask, a.drops, a.out_hx, a.out_gates, a.out_c, a.out_states
    ),
    "recurrent_backward": lambda k, a: k.recurrent_backward(
        CELLS[a.cell],
        a.V,
        a.mask,
        a.drops,
        a.out_hx,
        a.out_gates,
        a.out_c,
        a.dstates,
        a.dlast,
        a.out_steps,
        a.out_first,
    ),
    "prelu": lambda k, a: k.prelu(a.x, a.gamma, a.out),
    "prelu_backward": lambda k, a: k.prelu_backward(a.x, a.gamma, a.dy, a.out_gamma, a.out),
    "relu": lambda k, a: k.relu(a.x, a.out),
    "relu6": lambda k, a: k.relu6(3 * a.x, a.out),
    "relu6_gradient": lambda k, a: k.relu6_gradient(3 * a.y, a.dy, a.dy),
    "relu_gradient": lambda k, a: k.relu_gradient(np.maximum(a.y, 0), a.dy, a.dy),
    "remembered_attention": lambda k, a: k.remembered_attention(
        a.further, a.out_keys, a.out_values, a.already_read, a.heads, np.empty_like(a.further[..., : a.further.shape[2] // 3])
    ),
    "rms_norm": lambda k, a: k.rms_norm(a.x, a.gamma, 1e-3, a.out, a.out_rows),
    "rms_norm_backward": lambda k, a: k.rms_norm_backward(a.x, a.gamma, a.row_rstd, a.dy, a.out_gamma, a.dy),
    "rmsprop": lambda k, a: k.rmsprop(
        a.flat, a.g, a.v, a.m, a.out.reshape(-1), 0.01, 0.9, 0.1, 0.8 if a.scale < 0.6 else 0.0, a.scale > 0.3
    ),
    "rprop": lambda k, a: k.rprop(  # some factors are not set yet
        a.flat, a.g, np.sign(a.m, out=a.m), np.multiply(a.v, a.v > 1, out=a.v), 0.1, 0.5, 1.2, 0.9, 3.0
    ),
    "rotary": lambda k, a: k.rotary(a.keys_values, a.heads, a.angles, a.inverse, a.out_keys_values),
    "scale": lambda k, a: k.scale(a.g, 0.3),
    "scatter_add": lambda k, a: k.scatter_add(a.dy, a.rows, a.table_rows),
    "selu": lambda k, a: k.selu(a.x, 1.6, 1.1, a.out),
    "selu_gradient": lambda k, a: k.selu_gradient(a.x, 1.6, 1.1, a.dy, a.dy),
    "sgd": lambda k, a: k.sgd(a.flat, a.g, 0.1),
    "sgd_momentum": lambda k, a: k.sgd_momentum(a.flat, a.g, a.v, 0.1, 0.9, nesterov=a.scale < 0.5),
    "sigmoid": lambda k, a: k.sigmoid(a.x, a.out),
    "sigmoid_cross_entropy": lambda k, a: k.sigmoid_cross_entropy(a.x, a.binary, a.weights, a.scale, a.out, a.out2),
    "sigmoid_gradient": lambda k, a: k.sigmoid_gradient(a.y, a.dy, a.dy),
    "silu": lambda k, a: k.silu(a.x, a.out),
    "silu_gradient": lambda k, a: k.silu_gradient(a.x, a.dy, a.dy),
    "softmax": lambda k, a: k.softmax(a.x, a.out),
    "softmax_cross_entropy": lambda k, a: k.softmax_cross_entropy(a.x, a.soft, a.weights, a.scale, a.smoothing, a.out, a.out2),
    "softmax_cross_entropy_labels": lambda k, a: k.softmax_cross_entropy_labels(
        a.x, a.labels, a.weights, a.scale, a.smoothing, a.out, a.out2
    ),
    "softmax_divergence": lambda k, a: k.softmax_divergence(a.x, a.soft * (a.soft > 0.1), a.weights, a.scale, a.out, a.out2),
    "softmax_gradient": lambda k, a: k.softmax_gradient(a.soft, a.dy, a.dy),
    "softplus": lambda k, a: k.softplus(a.x, a.out),
    "softplus_gradient": lambda k, a: k.softplus_gradient(np.abs(a.y), a.dy, a.dy),
    "sparse_affine": lambda k, a: k.sparse_affine(a.entries, a.entry_columns, a.starts, a.W, a.b, a.out_o),
    "sparse_affine_backward": lambda k, a: k.sparse_affine_backward(
        a.entries, a.entry_columns, a.starts, a.dz, a.out_W, a.out_b
    ),
    "squared_error": lambda k, a: k.squared_error(a.x, a.y, a.weights, a.scale, a.out),
    "sum_arrays": lambda k, a: k.sum_arrays(a.x, a.y, a.out),
    "sum_of_squares": lambda k, a: k.sum_of_squares(a.g),
    "swiglu": lambda k, a: k.swiglu(np.concatenate([a.x, a.y], axis=1), a.out),
    "swiglu_gradient": lambda k, a: k.swiglu_gradient(np.concatenate([a.x, a.y], axis=1), a.dy, a.out_wide),
    "tanh": lambda k, a: k.tanh(a.x, a.out),
    "tanh_gradient": lambda k, a: k.tanh_gradient(a.y, a.dy, a.dy),
    "triplet": lambda k, a: k.triplet(a.x, a.labels % 3, a.weights * (a.weights > 0.2), a.scale, 1.5, a.out),
    "upsample_linear": lambda k, a: k.upsample_linear(a.images, a.out_large_images),
    "upsample_linear_backward": lambda k, a: k.upsample_linear_backward(a.large_images, a.out_images),
    "upsample_nearest": lambda k, a: k.upsample_nearest(a.images, a.out_large_images),
    "upsample_nearest_backward": lambda k, a: k.upsample_nearest_backward(a.large_images, a.out_images),
    "uniform": lambda k, a: k.uniform(0xFEDCBA9876543210, a.rows, 5),
    "warp": lambda k, a: k.warp(
        a.byte_images,
        a.rows,
        1 / 255,
        a.affine,
        a.fields,
        a.down,
        a.across,
        a.thickness,
        a.boxes,
        0.01,
        2**63 + 5,
        a.rows,
        a.out_warped,
    ),
    "widen_statistics": lambda k, a: k.widen_statistics(a.gamma, a.variance, 0.01, a.out_mean, a.out_m2),
    "affine_per_position": lambda k, a: k.affine_per_position(a.dwaves, a.position_W, a.position_b, a.out_positions),
    "affine_per_position_backward": lambda k, a: k.affine_per_position_backward(
        a.dwaves, a.dpositions, a.out_position_W, a.out_position_b
    ),
    "affine_per_position_input_gradient": lambda k, a: k.affine_per_position_input_gradient(
        a.dpositions, a.position_W, a.out_waves
    ),
    "bin_fractions": lambda k, a: k.bin_fractions(a.x, a.bins, a.lines, a.out_columns),
    "bin_fractions_gradient": lambda k, a: k.bin_fractions_gradient(a.x, a.bins, a.lines, a.out_columns, a.out),
    "gather_columns": lambda k, a: k.gather_columns(a.x, a.columns, a.out_columns),
    "mix": lambda k, a: k.mix(a.x, a.y, a.gamma, a.out),
    "mix_backward": lambda k, a: k.mix_backward(a.x, a.y, a.gamma, a.dy, a.out_gamma, a.out2, a.dy),
    "periodic": lambda k, a: k.periodic(a.x, a.frequencies, a.phases, a.out_waves),
    "periodic_backward": lambda k, a: k.periodic_backward(
        a.x, a.frequencies, a.phases, a.dwaves, a.out_frequencies, a.out_phases
    ),
    "periodic_input_gradient": lambda k, a: k.periodic_input_gradient(a.x, a.frequencies, a.phases, a.dwaves, a.out),
    "scale_features": lambda k, a: k.scale_features(a.x, a.gamma, a.out),
    "scale_features_backward": lambda k, a: k.scale_features_backward(a.x, a.gamma, a.dy, a.out_gamma, a.dy),
    "scatter_columns": lambda k, a: k.scatter_columns(a.out_columns, a.columns, a.out),
}
INTERNAL = {"algorithm", "input_gradient_algorithm", "bits", "mix", "row_stream"}  # that other files or tests use
INTERNAL |= {"input_gradient", "input_gradient_factors", "input_gradient_rows"}
BIT_EQUAL = {  # both sets compute the same bits
    "add",
    "add_relu",
    "all_finite",
    "copy",
    "copy_columns",
    "add_columns",
    "dropout",
    "gather",
    "gather_scaled",
    "max_pool",
    "relu",
    "relu6",
    "relu6_gradient",
    "relu_gradient",
    "scale",
    "uniform",
    "upsample_nearest",
    "scatter_add",
}
INPUTS = {  # no kernel may write to these
    "x",
    "y",
    "z",
    "W",
    "b",
    "weights",
    "labels",
    "signs",
    "soft",
    "levels",
    "data",
    "rows",
    "mean",
    "rstd",
    "mean2",
    "mean3",
    "gamma",
    "beta",
    "row_mean",
    "row_rstd",
    "images",
    "indices",
    "dpooled",
    "large_images",
    "dmeans",
    "conv_images",
    "taps",
    "bias",
    "maps",
    "byte_images",
    "affine",
    "fields",
    "down",
    "across",
    "thickness",
    "boxes",
    "segments",
    "steps",
    "V",
    "vb",
    "mask",
    "dstates",
    "dlast",
    "drops",
    "statistics",
    "statistics2",
    "bias2",
    "queries",
    "key_mask",
    "keys_values",
    "log_sum",
    "attended",
    "dattended",
    "angles",
}


def signature(function: Any) -> inspect.Signature:
    return inspect.signature(getattr(function, "py_func", function))


@pytest.mark.parametrize("protocol", [Kernels, KernelRuntime])
def test_both_sets_implement_the_interface(protocol):
    for name in (name for name in vars(protocol) if not name.startswith("_")):
        expected = signature(vars(protocol)[name])
        expected = expected.replace(parameters=list(expected.parameters.values())[1:])  # without self
        assert signature(vars(reference)[name]) == expected, name
        assert list(signature(vars(compiled)[name]).parameters) == list(expected.parameters), name


def test_a_set_has_no_kernels_besides_those_of_the_interface():
    for kernels in (reference, compiled):
        for subject in SUBJECTS:
            module = importlib.import_module(f"{kernels.__name__}.{subject}")
            functions = {
                name
                for name, value in vars(module).items()
                if callable(value) and getattr(value, "__module__", None) == module.__name__ and not name.startswith("_")
            }
            assert functions - INTERNAL <= set(KERNEL_NAMES), module.__name__


def assert_close(got: Any, wanted: Any, bound: float, what: str) -> None:
    """Assert equality within ``bound`` times the largest value: a small difference of large values may lose digits."""
    largest = max(1.0, float(np.abs(wanted).max(initial=0)))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=bound * largest, err_msg=what)


made = functools.cache(make)  # the random numbers take longer than the kernels


class Arguments:
    """Arguments of :func:`make`: the arrays that a kernel gets are copies, which are made when it gets them."""

    def __init__(self, made: SimpleNamespace):
        self.made = made
        self.read: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name not in self.read:
            value = getattr(self.made, name)
            self.read[name] = value.copy() if isinstance(value, np.ndarray) else value
        return self.read[name]


class PlacedArguments(Arguments):
    """Arguments in one piece of memory, in the order in which the kernel gets them, or in the opposite one."""

    def __init__(self, made: SimpleNamespace, backwards: bool):
        super().__init__(made)
        self.memory, self.used, self.backwards = np.empty(2**20, np.float64), 0, backwards

    def __getattr__(self, name: str) -> Any:
        if name not in self.read:
            value = getattr(self.made, name)
            if isinstance(value, np.ndarray) and value.size:
                size = -(-value.nbytes // 8)
                start = len(self.memory) - self.used - size if self.backwards else self.used
                self.used += size
                place = self.memory[start : start + size].view(value.dtype)[: value.size].reshape(value.shape)
                place[...] = value
                value = place
            self.read[name] = value
        return self.read[name]


# The size of an array is how far the next one is from it. A vectorized loop may check that this is at least as much as one
# iteration reads: 64 values with AVX-512, 32 with AVX2.
NEAR = [(1, 7), (1, 13), (1, 29), (1, 61), (2, 31), (4, 13), (2, 70)]


@DTYPES
@pytest.mark.parametrize("name", KERNEL_NAMES)
def test_the_places_of_arrays_in_memory_change_no_bit(name, dtype):
    for seed, shape in enumerate([*SHAPES, *NEAR, *NEAR[::-1]]):
        forwards, backwards = (PlacedArguments(made(shape, dtype, seed), order) for order in (False, True))
        returned = [ROWS[name](compiled, arguments) for arguments in (forwards, backwards)]
        if returned[0] is not None:
            np.testing.assert_array_equal(*returned, err_msg=f"{shape}: return value")
        for field, array in forwards.read.items():
            np.testing.assert_array_equal(array, backwards.read[field], err_msg=f"{shape}: {field}")


@DTYPES
@pytest.mark.parametrize("name", KERNEL_NAMES)
def test_compiled_matches_reference(name, dtype):
    call = ROWS[name]  # a kernel without a row fails here
    bound = 0 if name in BIT_EQUAL else {np.float32: 5e-6, np.float64: 1e-13}[dtype]
    for seed, shape in enumerate([*SHAPES, *np.random.default_rng(0).integers(1, 40, (10, 2)).tolist()]):
        before = made(tuple(shape), dtype, seed)
        wanted, got = Arguments(before), Arguments(before)
        returned = call(reference, wanted), call(compiled, got)
        if returned[0] is not None:
            assert_close(returned[1], returned[0], bound, f"{name}, {shape}: return value")
        changed = set()
        for field, array in wanted.read.items():
            assert_close(getattr(got, field), array, bound, f"{name}, {shape}: {field}")
            if not np.array_equal(array, getattr(before, field)):
                changed.add(field)
        assert changed or returned[0] is not None or 0 in shape, "the kernel does nothing"
        assert not changed & INPUTS, "an input was written to"


@BOTH
@DTYPES
def test_kernels_match_scipy(kernels, dtype):
    x = np.random.default_rng(0).normal(0, 30, (50, 7)).astype(dtype)
    close = {
        "rtol": {np.float32: 2e-6, np.float64: 1e-14}[dtype],
        "atol": 1e-30,
    }  # tiny values are compared relatively too
    wide = x.astype(np.float64)
    np.testing.assert_allclose(kernels.softmax(x, np.empty_like(x)), scipy.special.softmax(wide, axis=1), rtol=1e-5, atol=1e-30)
    np.testing.assert_allclose(kernels.sigmoid(x, np.empty_like(x)), scipy.special.expit(wide), **close)
    labels, ones, out = np.arange(50) % 7, np.ones(50, dtype), np.empty((2, 50, 7), dtype)
    loss = kernels.softmax_cross_entropy_labels(x, labels, ones, 1.0, 0.0, *out)
    assert loss == pytest.approx(-scipy.special.log_softmax(wide, axis=1)[np.arange(50), labels].sum(), rel=1e-6)
    yes = (labels > 3).astype(dtype)[:, None].repeat(7, axis=1)
    loss = kernels.sigmoid_cross_entropy(x, yes, ones, 1.0, *out)
    wanted = -scipy.special.log_expit(np.where(yes, wide, -wide)).mean(axis=1).sum()
    assert loss == pytest.approx(wanted, rel=1e-6)


@BOTH
@DTYPES
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_nan_passes_through(kernels, dtype):
    x = np.array([[np.nan, -1.0, 2.0, np.inf, -np.inf]], dtype)
    out = np.empty_like(x)
    np.testing.assert_array_equal(kernels.add_relu(x, x[:, ::-1].copy(), out), [[np.nan, np.inf, 4, np.inf, np.nan]])
    np.testing.assert_array_equal(kernels.relu(x, out), [[np.nan, 0, 2, np.inf, 0]])
    np.testing.assert_array_equal(kernels.relu_gradient(out, np.full_like(x, 3), out), [[3, 0, 3, 3, 0]])
    np.testing.assert_array_equal(kernels.relu_gradient(np.ones_like(x), x, out), x)
    W = np.eye(5, dtype=dtype)[:1]
    np.testing.assert_array_equal(
        kernels.affine_relu(x[:, :1], W, np.zeros(5, dtype), np.empty_like(x)), np.full((1, 5), np.nan)
    )
    for name in ("sigmoid", "tanh", "softmax"):
        assert np.isnan(getattr(kernels, name)(x, np.empty_like(x))[0, 0])


@BOTH
@DTYPES
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_single_value_that_is_not_finite_is_found_at_every_position(kernels, dtype, bad):
    for place in range(37):
        x = np.random.default_rng(0).standard_normal(37).astype(dtype)
        assert kernels.all_finite(x)
        x[place] = bad
        assert not kernels.all_finite(x)
        assert not np.isfinite(kernels.sum_of_squares(x))  # each training step checks this


@BOTH
def test_dropout_keeps_its_rate_in_every_row_and_column(kernels):
    ones = np.ones((2000, 500), np.float32)
    for rate in (0.1, 0.5, 0.9):
        kept = kernels.dropout(ones, 12345, 0, rate, np.empty_like(ones)) > 0
        sigma = np.sqrt(rate * (1 - rate))
        assert abs(kept.mean() - (1 - rate)) < 5 * sigma / 1000
        assert np.abs(kept.mean(axis=0) - (1 - rate)).max() < 6 * sigma / np.sqrt(2000)
        assert np.abs(kept.mean(axis=1) - (1 - rate)).max() < 6 * sigma / np.sqrt(500)
        for other in (kept[1:], kept[:, 1:]):  # neighbours are independent
            same = kept[: len(other), : other.shape[1]] == other
            assert abs(same.mean() - (rate**2 + (1 - rate) ** 2)) < 5e-3


@BOTH
def test_dropout_of_a_shard_equals_that_part_of_the_whole_batch(kernels):
    x = np.random.default_rng(0).standard_normal((40, 6, 5)).astype(np.float32)
    whole = kernels.dropout(x, 99, 7, 0.3, np.empty_like(x))
    for start, stop in ((0, 13), (13, 13), (13, 40)):
        cut = kernels.dropout(x[start:stop], 99, 7 + start, 0.3, np.empty_like(x[start:stop]))
        np.testing.assert_array_equal(cut, whole[start:stop])
    assert (kernels.dropout(x, 100, 7, 0.3, np.empty_like(x)) != whole).any()


def test_a_set_is_chosen_by_name_or_by_environment_variable(monkeypatch):
    assert kernel_sets.load("reference") is reference
    for name in kernel_sets.SETS:
        monkeypatch.setenv("PELLUCID_KERNELS", name)
        assert kernel_sets.name_of(kernel_sets.load()) == name
    monkeypatch.setenv("PELLUCID_KERNELS", "fast")
    with pytest.raises(ConfigError, match="no kernels 'fast'"):
        kernel_sets.load()


def test_a_set_is_used_within_a_block_in_one_thread(monkeypatch):
    monkeypatch.setenv("PELLUCID_KERNELS", "compiled")
    with kernel_sets.using("reference"):
        assert kernel_sets.load() is reference
        with kernel_sets.using(None):
            assert kernel_sets.load() is reference
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(kernel_sets.load).result() is compiled
    assert kernel_sets.load() is compiled
