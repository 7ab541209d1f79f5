"""Settings of the layers that move a window over images or sequences (convolution, pooling), and the geometry of the window.

Along one axis, a kernel of k taps with a distance of d pixels between neighbours (the dilation) spans (k − 1)·d + 1 pixels.
Moved with stride s over an axis of i pixels, padded with b zeros before it and a after it, the kernel has

    o = ⌊(b + i + a − (k − 1)·d − 1) / s⌋ + 1   positions,

which is the length of the output. The setting ``padding`` determines b and a:

    "valid"                           b = a = 0: all taps are inside the image
    "same"                            o = ⌈i/s⌉ for any kernel: b + a = max((o − 1)·s + (k − 1)·d + 1 − i, 0); if the sum
                                      is odd, the extra pixel is below and to the right
    1                                 1 on all four sides
    (1, 2)                            1 above and below, 2 left and right
    ((top, bottom), (left, right))    a number for each side

A sequence has one such axis, time. Its padding is "valid", "same", a number for both ends, (before, after), or

    "causal"                          b = (k − 1)·d, a = 0: output p depends on the steps up to p·s only, so that with stride 1
                                      no output reads a later step

The kernels are for images only: a sequence (time, channels) is an image (1, time, channels), whose row of pixels is contiguous
in memory.
"""

from __future__ import annotations

import functools
from typing import Annotated

from pellucid.core import lazy
from pellucid.core.config import Count, Range
from pellucid.core.memory import Shape
from pellucid.errors import ConfigError, ShapeError, did_you_mean
from pellucid.kernels.window import Window
from pellucid.layers.base import Layer

Pixels = Annotated[int, Range(0)]
Pair = Count | tuple[Count, Count]  # (height, width), or one number for both
Sides = Pixels | tuple[Pixels, Pixels]  # (before, after), or one number for both
Border = Pixels | tuple[Sides, Sides]  # (above and below, left and right), or one number for all
Padding = str | Border
Padding1D = str | Sides


def as_pair(value: Pair) -> tuple[int, int]:
    """Return a pair, such as (height, width), for a setting that may be one number for both."""
    return value if isinstance(value, tuple) else (value, value)


def image_shape(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    """Return ``shape`` as (height, width, channels), or raise a ShapeError that says how to turn the data into images."""
    if len(shape) == 2:
        sizes = ", ".join(map(str, shape))
        hint = f"add a channel axis: x[..., None] for arrays, input_shape=({sizes}, 1) for the network"
        hint += _counterpart(layer, "2D", "1D", "; for sequences (time, channels) use {}")
    elif len(shape) == 1:
        hint = "put the layer before Flatten(), or pass the data as images: x.reshape(-1, height, width, channels)"
    else:
        hint = "one sample is one image, with the channels as the last axis"
    height, width, channels = layer.expect(shape, 3, hint)
    return height, width, channels


def sequence_shape(layer: Layer, shape: Shape) -> tuple[int, int]:
    """Return ``shape`` as (time, channels), or raise a ShapeError that says how to turn the data into sequences."""
    if len(shape) == 3:
        hint = "these are images (height, width, channels)" + _counterpart(layer, "1D", "2D", ": use {}")
        hint += f"; Reshape(({shape[0]}, {shape[1] * shape[2]})) before it turns them into sequences of rows"
    elif len(shape) == 1:
        hint = (
            f"for series of numbers, add a channel axis: x[..., None] for arrays, input_shape=({shape[0]}, 1) for the network; "
            "a recurrent layer before it needs return_sequences=True, Flatten() belongs after it"
        )
    else:
        hint = "one sample is one sequence, with the channels as the last axis"
    time, channels = layer.expect(shape, 2, hint)
    return time, channels


def _counterpart(layer: Layer, of: str, to: str, text: str) -> str:
    """Return ``text`` with the name of the layer for images ("2D") or sequences ("1D"), or "" if there is no such layer."""
    name = type(layer).__name__.replace(of, to)
    return text.format(name) if name in lazy.exported() and name != type(layer).__name__ else ""


def resolve_border(border: Border) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) for a setting that may be written in a shorter form."""
    rows, columns = border if isinstance(border, tuple) else (border, border)
    return as_pair(rows), as_pair(columns)


def resolve_padding(
    padding: Padding, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return ((top, bottom), (left, right)) for images of ``size`` (height, width); see the formulas of this module.

    Raises ConfigError if ``padding`` is an unknown word.
    """
    if not isinstance(padding, str):
        return resolve_border(padding)
    if padding not in ("valid", "same"):
        hint = "only sequences have causal padding" if padding == "causal" else did_you_mean(padding, ("valid", "same"))
        raise ConfigError(f"padding={padding!r}: {hint}")
    rows, columns = (_sides(padding, *axis) for axis in zip(size, kernel, stride, dilation, strict=True))
    return rows, columns


def resolve_padding_1d(padding: Padding1D, time: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return (before, after) for sequences of ``time`` steps; see the formulas of this module.

    Raises ConfigError if ``padding`` is an unknown word.
    """
    if not isinstance(padding, str):
        return as_pair(padding)
    if padding not in ("valid", "same", "causal"):
        raise ConfigError(f"padding={padding!r}: {did_you_mean(padding, ('valid', 'same', 'causal'))}")
    return _sides(padding, time, kernel, stride, dilation)


def _sides(word: str, size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return (before, after) of one axis for the padding "valid", "same" or "causal"."""
    if word == "causal":
        return (kernel - 1) * dilation, 0
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - size, 0) if word == "same" else 0
    return total // 2, total - total // 2


def place_window(
    layer: Layer, shape: Shape, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = 1
) -> tuple[Window, tuple[int, int]]:
    """Return the window of ``layer`` for images of ``shape`` (h, w, c), and the (height, width) of the output.

    Raises ShapeError if ``shape`` is not that of an image, or if the kernel is larger than the padded image.
    """
    height, width, _ = image_shape(layer, shape)
    window, size, span, padded = _placed((height, width), kernel, stride, padding, dilation)
    if min(size) < 1:
        raise ShapeError(
            f"{layer}: its kernel spans {span[0]} × {span[1]} pixels, but the padded image has only {padded[0]} × {padded[1]} "
            f"(input {shape}); use a smaller kernel, or padding='same', or smaller strides before it"
        )
    return window, size


@functools.lru_cache(maxsize=1024)  # a step needs each window twice, and to place it takes longer than a small kernel
def _placed(
    image: tuple[int, int], kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> tuple[Window, tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Return the window, and (height, width) of the output, of the pixels that the kernel spans and of the padded image."""
    (kh, kw), (sh, sw), (dh, dw) = as_pair(kernel), as_pair(stride), as_pair(dilation)
    (top, bottom), (left, right) = resolve_padding(padding, image, (kh, kw), (sh, sw), (dh, dw))
    span = (kh - 1) * dh + 1, (kw - 1) * dw + 1
    padded = top + image[0] + bottom, left + image[1] + right
    size = (padded[0] - span[0]) // sh + 1, (padded[1] - span[1]) // sw + 1
    return Window(kh, kw, sh, sw, top, left, dh, dw), size, span, padded


def place_window_1d(
    layer: Layer, shape: Shape, kernel: int, stride: int, padding: Padding1D, dilation: int = 1
) -> tuple[Window, int]:
    """Return the window of ``layer`` for sequences of ``shape`` (time, c), as images (1, time, c), and the output's length.

    Raises ShapeError if ``shape`` is not that of a sequence, or if the kernel is larger than the padded sequence.
    """
    time, _ = sequence_shape(layer, shape)
    before, after = resolve_padding_1d(padding, time, kernel, stride, dilation)
    span, padded = (kernel - 1) * dilation + 1, before + time + after
    if span > padded:
        raise ShapeError(
            f"{layer}: its kernel spans {span} steps, but the padded sequence has only {padded} (input {shape}); use a smaller "
            "kernel, or padding='same' or 'causal', or smaller strides before it"
        )
    return Window(1, kernel, 1, stride, 0, before, 1, dilation), (padded - span) // stride + 1
