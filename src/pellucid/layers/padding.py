"""Zero padding and its opposite, cropping, as separate layers, for images and for sequences.

Cropping is the transpose of padding: backward of one is forward of the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.memory import Array, Shape, Views
from pellucid.errors import ShapeError
from pellucid.layers.base import Layer, LayerSpec
from pellucid.layers.context import Context
from pellucid.layers.window import Border, Sides, as_pair, image_shape, resolve_border, sequence_shape

Borders = tuple[tuple[int, int], ...]  # (before, after) of each axis of positions


@dataclass(frozen=True)
class ZeroPad2D(Layer):
    """Adds a border of zeros: (n, h, w, c) -> (n, top + h + bottom, left + w + right, c). dX is dY without the border.

    ``padding`` is one number for all sides, (height, width), or ((top, bottom), (left, right)).
    """

    padding: Border = 1

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_padded(image_shape(self, shape), self.borders()))

    def borders(self) -> Borders:
        """Return the number of pixels added at each side: ((top, bottom), (left, right))."""
        return resolve_border(self.padding)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return _pad(x, self.borders(), ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return _crop(dy, self.borders(), ctx.gradient(*ctx.kept)) if ctx.needs_dx else None


@dataclass(frozen=True)
class ZeroPad1D(Layer):
    """Adds steps of zeros before and after a sequence: (n, time, c) -> (n, before + time + after, c). dX is dY without them.

    ``padding`` is one number for both ends, or (before, after).
    """

    padding: Sides = 1

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_padded(sequence_shape(self, shape), self.borders()))

    def borders(self) -> Borders:
        """Return the number of steps added at each side: ((before, after),)."""
        return (as_pair(self.padding),)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return _pad(x, self.borders(), ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return _crop(dy, self.borders(), ctx.gradient(*ctx.kept)) if ctx.needs_dx else None


@dataclass(frozen=True)
class Crop2D(Layer):
    """Removes a border: (n, h, w, c) -> (n, h − top − bottom, w − left − right, c). dX is dY, with zeros in the border.

    ``border`` is one number for all sides, (height, width), or ((top, bottom), (left, right)). In a network that halves the
    size and doubles it again, it cuts the larger of two branches to the size of the other, before a
    :class:`~pellucid.layers.merge.Concatenate`.
    """

    border: Border = 1

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_cropped(self, image_shape(self, shape), self.borders()))

    def borders(self) -> Borders:
        """Return the number of pixels removed at each side: ((top, bottom), (left, right))."""
        return resolve_border(self.border)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return _crop_into_buffer(x, self.borders(), ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return _pad_gradient(dy, self.borders(), ctx)


@dataclass(frozen=True)
class Crop1D(Layer):
    """Removes steps from both ends of a sequence: (n, time, c) -> (n, time − before − after, c). dX is dY, with zeros there.

    ``border`` is one number for both ends, or (before, after). :class:`~pellucid.layers.reshape.Slice` selects by position
    instead: ``Slice(-3, axis=0)`` the last three steps.
    """

    border: Sides = 1

    def build(self, shape: Shape) -> LayerSpec:
        return LayerSpec(_cropped(self, sequence_shape(self, shape), self.borders()))

    def borders(self) -> Borders:
        """Return the number of steps removed at each side: ((before, after),)."""
        return (as_pair(self.border),)

    def forward(self, p: Views, x: Array, ctx: Context) -> Array:
        return _crop_into_buffer(x, self.borders(), ctx)

    def backward(self, p: Views, g: Views, dy: Array, ctx: Context) -> Array | None:
        return _pad_gradient(dy, self.borders(), ctx)


def _padded(shape: Shape, borders: Borders) -> Shape:
    """Return the shape of one sample with the borders added to its positions."""
    return (*(before + size + after for size, (before, after) in zip(shape, borders, strict=False)), shape[-1])


def _cropped(layer: Layer, shape: Shape, borders: Borders) -> Shape:
    """Return the shape of one sample without the borders. Raises ShapeError if nothing remains."""
    cropped = _padded(shape, tuple((-before, -after) for before, after in borders))
    if min(cropped[:-1]) < 1:
        raise ShapeError(f"{layer} removes everything from samples of shape {shape}; use a smaller border")
    return cropped


def _interior(y: Array, borders: Borders) -> Array:
    """Return the part of y (n, …, c) inside the borders, as a view."""
    inside = (slice(before, size - after) for size, (before, after) in zip(y.shape[1:], borders, strict=False))
    return y[(slice(None), *inside)]


def _crop(y: Array, borders: Borders, out: Array) -> Array:
    out[...] = _interior(y, borders)
    return out


def _pad(x: Array, borders: Borders, ctx: Context) -> Array:
    ctx.keep(x.shape)
    y = ctx.buffer("y", (len(x), *_padded(x.shape[1:], borders)))
    y.fill(0)
    _interior(y, borders)[...] = x
    return y


def _crop_into_buffer(x: Array, borders: Borders, ctx: Context) -> Array:
    ctx.keep(x.shape)
    return _crop(x, borders, ctx.buffer("y", _interior(x, borders).shape))


def _pad_gradient(dy: Array, borders: Borders, ctx: Context) -> Array | None:
    if not ctx.needs_dx:
        return None
    dx = ctx.gradient(*ctx.kept)
    dx.fill(0)
    _interior(dx, borders)[...] = dy
    return dx
