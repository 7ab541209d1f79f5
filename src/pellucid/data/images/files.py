"""Pictures from files, and pictures on a page.

A picture of exactly the model's size is taken as it is: it comes from the data set, or was made for it. Any other is
a photograph or a scan: it is fitted with its aspect kept, and in grey, dark ink on light paper becomes light on dark,
which is how MNIST and its relatives store it.
"""

from __future__ import annotations

import base64
import contextlib
import html
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pellucid.core.memory import Array, Shape
from pellucid.data.sources.idx import open_file
from pellucid.errors import ConfigError, FileError, ShapeError

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")  # not all of Pillow's: its EPS reader runs another program
_LIGHT = 127  # a border whose median is above this is paper
_GREY = ("1", "L", "LA", "La", "F")  # Pillow's names; those of 16 and 32 bits begin with I
_ORIENTATION = 0x0112  # the EXIF note that says how the camera was held
_SIDE = 64  # pixels: larger pictures are thinned out in a preview, so that a notebook stays small


def read_picture(path: str | os.PathLike[str], shape: Shape | None = None, *, ink: bool = True) -> Array:
    """The picture in a file as bytes (h, w, c), c = 1 for grey or 3 for RGB; without a ``shape`` grey, in its own size.

    Transparent parts show white paper; 16 bits become 8; a photograph is turned as its EXIF note says. If the size is
    not (w, h): with c = 1 and ``ink`` a picture whose border is light is inverted, then the whole is fitted into the middle
    of a black canvas.

    Raises FileError for anything that is no whole picture, ShapeError for a shape that no picture has, ConfigError
    without Pillow.
    """
    if shape is not None and (len(shape) != 3 or shape[2] not in (1, 3) or min(shape) < 1):
        raise ShapeError(f"{path}: a picture has the shape (height, width, 1 or 3), this model takes {tuple(shape)}")
    c = 1 if shape is None else shape[2]
    with _opened(path) as opened:
        from PIL import ImageOps

        if shape is not None and not ink:  # a JPEG can be decoded smaller, in a fraction of the time and the memory
            opened.draft(None, (2 * max(shape[:2]), 2 * max(shape[:2])))
        picture = _on_paper(ImageOps.exif_transpose(opened), "L" if c == 1 else "RGB")
    if shape is not None and picture.size != (shape[1], shape[0]):
        picture = _fitted(picture, shape[1], shape[0], ink)
    return np.asarray(picture, np.uint8).reshape(picture.height, picture.width, c)


def header(path: str | os.PathLike[str]) -> tuple[tuple[int, int], bool]:
    """((height, width), whether it has colours) of the picture in a file, by its header alone. Raises like read_picture."""
    with _opened(path) as opened:
        w, h = opened.size
        grey = opened.mode in _GREY or opened.mode.startswith("I")
        if opened.mode == "P":
            palette = np.asarray(opened.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
            grey = bool((palette == palette[:, :1]).all())
        noted = opened.format != "PNG" or "exif" in opened.info  # to look for a note, Pillow decodes a whole PNG
        turned = noted and opened.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        return ((w, h) if turned else (h, w)), not grey


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Image.Image]:
    """The picture in a file, its header read. Whatever goes wrong with it inside becomes a FileError."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise ConfigError("reading pictures needs Pillow: pip install 'pellucid[images]'") from None
    with open_file(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders grumble about notes that they cannot read
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            yield Image.open(file, formats=_FORMATS)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise FileError(
                f"{path}: the picture unpacks to more than {Image.MAX_IMAGE_PIXELS:,} pixels: make it smaller"
            ) from None
        except UnidentifiedImageError:
            raise FileError(f"{path}: no picture of a known kind ({', '.join(_FORMATS)})") from None
        except Exception as error:  # a damaged file makes decoders raise whatever they happen to stumble over
            raise FileError(f"{path}: the picture cannot be decoded: {error or type(error).__name__}") from None


def _on_paper(picture: Image.Image, mode: str) -> Image.Image:
    """``picture`` in grey or RGB, on white where it is transparent."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits (Pillow's own conversion would cut them off at 255)
        values = np.asarray(picture)
        picture = Image.fromarray((np.clip(values, 0, 65535) >> 8).astype(np.uint8))
    elif picture.mode == "F":
        raise ValueError("its pixels are floating-point numbers, of no known range")
    if picture.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture.convert("RGBA"))
    return picture.convert(mode)


def _fitted(picture: Image.Image, w: int, h: int, ink: bool) -> Image.Image:
    """``picture`` in the middle of a black canvas (w, h), as large as its aspect allows; grey ``ink`` on light paper
    inverted."""
    from PIL import Image, ImageOps

    if ink and picture.mode == "L":
        pixels = np.asarray(picture)
        border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
        if np.median(border) > _LIGHT:
            picture = ImageOps.invert(picture)
    scale = min(w / picture.width, h / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    canvas = Image.new(picture.mode, (w, h), 0)
    # Lanczos weighs all pixels that fall together when it shrinks, so thin strokes stay.
    canvas.paste(picture.resize(size, Image.Resampling.LANCZOS), ((w - size[0]) // 2, (h - size[1]) // 2))
    return canvas


def preview(pictures: Array, columns: int = 10, alt: str = "", side: int = 48) -> str:
    """An ``<img>`` with the pictures (n, h, w, 1, 3 or 4) of bytes in rows of ``columns``, each ``side`` pixels wide, all
    inside the page itself. ``alt`` says what they are, if not the first samples."""
    thin = -(-max(pictures.shape[1:3]) // _SIDE)
    pictures = np.asarray(pictures)[:, ::thin, ::thin]
    n, h, w, c = pictures.shape
    columns = min(n, columns)
    grid = np.zeros((-(-n // columns) * columns, h, w, c), np.uint8)
    grid[:n] = pictures
    data = png(grid.reshape(-1, columns, h, w, c).swapaxes(1, 2).reshape(-1, columns * w, c))
    style = f"image-rendering:pixelated;max-width:100%;width:{columns * side}px"
    said, inside = html.escape(alt or f"the first {n} samples"), base64.b64encode(data).decode()
    return f'<img alt="{said}" style="{style}" src="data:image/png;base64,{inside}">'


def png(picture: Array) -> bytes:
    """``picture`` (h, w, 1, 3 or 4) of bytes as a PNG file (ISO/IEC 15948): signature, header, one packed block, end."""
    h, w, c = picture.shape
    lines = np.zeros((h, 1 + w * c), np.uint8)  # each line opens with its filter: 0, none
    lines[:, 1:] = picture.reshape(h, -1)
    header = struct.pack(">IIBBBBB", w, h, 8, {1: 0, 3: 2, 4: 6}[c], 0, 0, 0)  # 8 bits; grey, RGB, RGBA
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    packed = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
