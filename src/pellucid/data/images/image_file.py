"""Image files, decoded to arrays of bytes.

An image that has exactly the size of a model's input is used unchanged: it comes from the data set, or was made for the
network. Any other image is taken for a photograph or a scan. It is resized with its aspect ratio kept, and a grey one with dark
ink on light paper is inverted, because MNIST and similar data sets store light ink on black.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.core.files import open_regular
from pellucid.core.free_memory import require_memory
from pellucid.core.memory import Array, Shape
from pellucid.errors import ConfigError, FileError, ShapeError

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # not all of Pillow's: its EPS reader, for one, runs a program
MAX_PIXELS = 89_478_485  # of an image that is read, and of the size that it is given: Pillow's bound against harmful files
_LIGHT = 127  # a border with a median above this is light
_FAINT = 8  # levels: a difference from white that is not seen
_GREY_MODES = ("1", "L", "LA", "La", "F")  # Pillow's names; those of 16 and 32 bits begin with I
_ORIENTATION = 0x0112  # the EXIF tag for the orientation of the camera


def read_image(path: str | os.PathLike[str], shape: Shape | None = None, *, invert_light_background: bool = True) -> Array:
    """Return the image in a file as bytes (h, w, c), where c is 1 for grey and 3 for RGB.

    Without a ``shape`` the image is converted to grey and keeps its size. Transparent parts become white, or black where
    everything else is white, 16 bits become 8, and a photograph is rotated according to its EXIF data. If the image does not
    have the size of ``shape`` (h, w, c), it is resized with its aspect ratio kept and placed in the middle of a black canvas.
    Before that, with c = 1 and ``invert_light_background``, an image with a light border is inverted.

    Raises FileError for a file that is not a complete image, and for one that needs more memory to be resized than there is;
    ShapeError for a shape that is not that of an image or has too many pixels; ConfigError if Pillow is not installed.
    """
    if shape is not None and (len(shape) != 3 or shape[2] not in (1, 3) or min(shape) < 1):
        raise ShapeError(f"{path}: an image has the shape (height, width, 1 or 3), this model expects {tuple(shape)}")
    if shape is not None and shape[0] * shape[1] > MAX_PIXELS:
        raise ShapeError(
            f"{path}: a size of {shape[0]:,} × {shape[1]:,} pixels is too large; at most {MAX_PIXELS:,} are possible"
        )
    c = 1 if shape is None else shape[2]
    with _open(path) as opened:
        from PIL import ImageOps

        if shape is not None and not invert_light_background:  # a JPEG can be decoded to a smaller size, which is much faster
            opened.draft(None, (2 * max(shape[:2]), 2 * max(shape[:2])))
        image = _opaque(ImageOps.exif_transpose(opened), "L" if c == 1 else "RGB", opened.format)
    if shape is not None and image.size != (shape[1], shape[0]):
        what = f"{path}: resizing an image of {image.height:,} × {image.width:,} to {shape[0]:,} × {shape[1]:,} pixels"
        require_memory(_memory_to_fit(image, shape[1], shape[0]), what, "make the image or the size smaller", FileError)
        image = _fit(image, shape[1], shape[0], invert_light_background)
    return np.asarray(image, np.uint8).reshape(image.height, image.width, c)


def read_header(path: str | os.PathLike[str]) -> tuple[tuple[int, int], bool]:
    """Return ((height, width), whether the image has colours), from the header of the file. Raises the errors of read_image."""
    with _open(path) as opened:
        w, h = opened.size
        grey = opened.mode in _GREY_MODES or opened.mode.startswith("I")
        if opened.mode == "P":
            palette = np.asarray(opened.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
            grey = bool((palette == palette[:, :1]).all())
        may_have_exif = opened.format != "PNG" or "exif" in opened.info  # for a PNG, getexif would decode the whole image
        rotated = may_have_exif and opened.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        return ((w, h) if rotated else (h, w)), not grey


class _BoundedReader(io.BufferedReader):
    """An open file whose ``read`` allocates no more than is left in the file: damaged images ask for gigabytes."""

    def __init__(self, raw: io.RawIOBase):
        super().__init__(raw)
        self._size = os.fstat(raw.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(0, self._size - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


@contextlib.contextmanager
def _open(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """Open an image file and read its header. All errors inside the ``with`` block become a FileError."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ConfigError("reading images needs Pillow: pip install 'pellucid[images]'") from None
    with _BoundedReader(open_regular(path).detach()) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn about metadata that they cannot read
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield Image.open(file, formats=_FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise FileError(f"{path}: the decoded image has more than {MAX_PIXELS:,} pixels: make it smaller") from None
        except UnidentifiedImageError:
            raise FileError(f"{path}: not an image of a known format ({', '.join(_FORMATS)})") from None
        except Exception as error:  # a damaged file can raise nearly any exception in a decoder
            raise FileError(f"{path}: the image cannot be decoded: {error or type(error).__name__}") from None


def _opaque(image: Image.Image, mode: str, of_file: str | None) -> Image.Image:
    """Convert an image, from a file of a format of Pillow, to grey or RGB. Transparent parts become white.

    They become black where everything else is white, as the ink of a drawing may be: on white, nothing of it could be seen.
    """
    from PIL import Image

    if image.mode == "F" or (image.mode == "I" and of_file == "TIFF"):
        kind = "floating-point numbers" if image.mode == "F" else "integers with a sign or of 32 bits"
        raise ValueError(f"its pixels are {kind} of an unknown range: save it with 8 or 16 bits, without a sign")
    if image.mode.startswith("I"):  # 16 bits; Pillow's own conversion would clip them at 255
        values, transparent = np.asarray(image), image.info.get("transparency")
        image = Image.fromarray((np.clip(values, 0, 65535) >> 8).astype(np.uint8))
        if isinstance(transparent, int):
            image.putalpha(Image.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    if image.mode == "LAB":  # which becomes grey by way of RGB only
        image = image.convert("RGB")
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        of_bands: Any = image.getextrema()
        least, most = of_bands[3]  # opacity
        on_white = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        of_bands = on_white.getextrema()
        darkest = min(low for low, _ in of_bands[:3])
        unseen = least < 255 and most > 0 and darkest > 255 - _FAINT
        image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image) if unseen else on_white
    return image.convert(mode)


def _memory_to_fit(image: Image.Image, w: int, h: int) -> int:
    """Return the number of bytes that :func:`_fit` allocates: mostly the weights of Lanczos for very long images.

    An axis has weights of 8 bytes for each new pixel and each old one within three new pixels of it. Pillow resizes the rows
    first. Then there are the resized image, the canvas, and its array.
    """
    size = _fitted_size(image, w, h)
    pairs = zip(size, image.size, strict=True)
    weights = 8 * sum(new * (2 * math.ceil(3 * max(1.0, old / new)) + 1) for new, old in pairs)
    return weights + (size[0] * image.height + 3 * w * h) * (1 if image.mode == "L" else 4)


def _fitted_size(image: Image.Image, w: int, h: int) -> tuple[int, int]:
    """Return the (width, height) of the image when it fits into (w, h), with its aspect ratio kept."""
    scale = min(w / image.width, h / image.height)
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _fit(image: Image.Image, w: int, h: int, invert_light_background: bool) -> Image.Image:
    """Resize an image to fit into (w, h) with its aspect ratio kept, and centre it on a black canvas of that size."""
    from PIL import Image, ImageOps

    if invert_light_background and image.mode == "L" and has_light_border(np.asarray(image)):
        image = ImageOps.invert(image)
    size = _fitted_size(image, w, h)
    canvas = Image.new(image.mode, (w, h), 0)
    # When it shrinks an image, Lanczos weights all pixels that contribute to one, so that thin strokes stay visible. The width
    # comes first: of both at once, the order, and with it the rounding, depends on the version of Pillow.
    for step in ((size[0], image.height), size):
        image = image.resize(step, Image.Resampling.LANCZOS)
    canvas.paste(image, ((w - size[0]) // 2, (h - size[1]) // 2))
    return canvas


def has_light_border(grey: Array) -> bool:
    """Return whether a grey image (h, w) with values from 0 to 255 has a light border, as a scan of ink on paper has."""
    return border_median(grey) > _LIGHT


def border_median(grey: Array) -> float:
    """Return the median of the pixels at the border of a grey image (h, w)."""
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])))
