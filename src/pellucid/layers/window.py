"""The settings of layers that move a window over pictures, and the arithmetic of where it lies.

Along one axis, k taps that stand d pixels apart (dilation) span (k − 1)·d + 1 pixels. Moved in steps of s over an axis
of i pixels with b zeros before it and a behind it, they fit

    o = ⌊(b + i + a − (k − 1)·d − 1) / s⌋ + 1   times.

``padding`` names b and a:

    "valid"                           no padding: every tap meets the picture
    "same"                            o = ⌈i/s⌉, whatever the kernel: (o − 1)·s + (k − 1)·d + 1 − i in total where that is
                                      positive; of an odd number, the extra pixel goes below and to the right
    1                                 on all four sides
    (1, 2)                            above and below 1, left and right 2
    ((top, bottom), (left, right))    each side by itself
"""

from __future__ import annotations

from typing import Annotated

from pellucid.core.config import Count, Range
from pellucid.core.memory import Shape
from pellucid.errors import ConfigError, ShapeError, did_you_mean
from pellucid.kernels.window import Window
from pellucid.layers.base import Layer

Pixels = Annotated[int, Range(0)]
Pair = Count | tuple[Count, Count]  # height and width, or one number for both
Sides = Pixels | tuple[Pixels, Pixels]  # before and behind, or one number for both
Border = Pixels | tuple[Sides, Sides]  # (above and below, left and right), or one number for all
Padding = str | Border


def pair(value: Pair) -> tuple[int, int]:
    """(height, width) of a setting that may be one number for both."""
    return value if isinstance(value, tuple) else (value, value)


def picture(layer: Layer, shape: Shape) -> tuple[int, int, int]:
    """(height, width, channels) of ``shape``, or a ShapeError that says how to come by pictures."""
    if len(shape) == 2:
        sized = ", ".join(map(str, shape))
        instead = f"give them a channel axis: x[..., None] for arrays, input_shape=({sized}, 1) for the network"
    elif len(shape) == 1:
        instead = "put it before Flatten(), or give the data as pictures: x.reshape(-1, height, width, channels)"
    else:
        instead = "one sample is one picture, its channels the last axis"
    height, width, channels = layer.expect(shape, 3, instead)
    return height, width, channels


def border(width: Border) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) of a setting that may be shorter."""
    rows, columns = width if isinstance(width, tuple) else (width, width)
    return pair(rows), pair(columns)


def sides(
    padding: Padding, size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """((top, bottom), (left, right)) for pictures of ``size``: the arithmetic above. ConfigError for an unknown word."""
    if not isinstance(padding, str):
        return border(padding)
    if padding not in ("valid", "same"):
        raise ConfigError(f"padding={padding!r}: {did_you_mean(padding, ('valid', 'same'))}")
    both = []
    for i, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        outputs = -(-i // s)
        total = max((outputs - 1) * s + (k - 1) * d + 1 - i, 0) if padding == "same" else 0
        both.append((total // 2, total - total // 2))
    return both[0], both[1]


def place(
    layer: Layer, shape: Shape, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair = 1
) -> tuple[Window, tuple[int, int]]:
    """The window of ``layer`` over pictures of ``shape`` (h, w, c), and the (height, width) of what comes out.

    Raises ShapeError when ``shape`` is no picture, or when the kernel does not fit into the padded picture once.
    """
    height, width, _ = picture(layer, shape)
    (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
    (top, bottom), (left, right) = sides(padding, (height, width), (kh, kw), (sh, sw), (dh, dw))
    span_h, span_w = (kh - 1) * dh + 1, (kw - 1) * dw + 1
    padded_h, padded_w = top + height + bottom, left + width + right
    if span_h > padded_h or span_w > padded_w:
        raise ShapeError(
            f"{layer}: its kernel spans {span_h} × {span_w} pixels, the picture with its padding has {padded_h} × {padded_w} "
            f"(input {shape}); take a smaller kernel, or padding='same', or fewer strides before it"
        )
    window = Window(kh, kw, sh, sw, top, left, dh, dw)
    return window, ((padded_h - span_h) // sh + 1, (padded_w - span_w) // sw + 1)
