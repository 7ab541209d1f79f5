"""Targets that are maps of an image, changed like the image: class maps of a segmentation, images to be restored."""

from __future__ import annotations

from pellucid.core.memory import Array, Shape
from pellucid.data.sample_augmentation import SampleAugmentation
from pellucid.errors import ShapeError
from pellucid.kernels import Kernels

MASKED = 1e-3  # the share of masked pixels from which an interpolated pixel is masked; less may be due to rounding


def moved(
    augmentation: SampleAugmentation,
    image: Shape,
    targets: Array,
    weights: Array,
    indices: Array,
    seed: int,
    epoch: int,
    *,
    interpolate: bool | None,
    kernels: Kernels,
) -> tuple[Array, Array]:
    """Return targets and weights whose pixels are moved like those of the augmented images.

    ``image`` is the shape of one image (h, w, c). ``targets`` are one for each pixel, labels (n, h, w) or numbers (n, h, w, k),
    or other targets, which are returned unchanged; ``interpolate`` is None for these. ``weights`` are (n) or (n, h, w). Each
    pixel takes the target of the nearest pixel, or with ``interpolate`` that between pixels. Pixels from outside the image get
    the target 0 and the weight 0, so they do not count. Raises ShapeError for maps of another size than the image.
    """
    if interpolate is None or targets.ndim < 3 or len(image) != 3:
        return targets, weights
    h, w = image[:2]
    geometry = augmentation.geometry(indices, h, w, seed, epoch, kernels)
    if geometry is None:
        return targets, weights
    if targets.shape[1:3] != (h, w):
        raise ShapeError(
            f"{augmentation} moves the pixels of images of {h} × {w}, but the targets have the positions "
            f"{targets.shape[1:3]}: use an augmentation that moves no pixels, or batches from a function"
        )
    interpolate = interpolate and targets.ndim == 4
    if weights.ndim == 1:
        weights = weights[:, None, None]
    else:
        masked = weights == 0
        weights, _ = geometry.nearest(weights)
        if interpolate and masked.any():  # the target of a masked pixel may be anything, so no other may be made from it
            share, _ = geometry.interpolated(masked[..., None], kernels)
            weights[share[..., 0] > MASKED] = 0
    targets, inside = geometry.interpolated(targets, kernels) if interpolate else geometry.nearest(targets)
    return targets, weights * inside
