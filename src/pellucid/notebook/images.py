"""Images as HTML: a grid of images as one ``<img>`` element that contains its own PNG file."""

from __future__ import annotations

import base64
import html
import struct
import zlib

import numpy as np

from pellucid.core.memory import Array

_LARGEST = 64  # pixels: larger images are subsampled, so that a notebook stays small


def image_grid(images: Array, columns: int = 10, alt: str = "", width: int = 48) -> str:
    """Return an ``<img>`` element with the images (n, h, w, 1, 3 or 4) of bytes in rows of ``columns``.

    ``width`` is the width of one image on the page, in pixels. ``alt`` is the alternative text; by default it describes the
    first samples of a data set.
    """
    step = -(-max(images.shape[1:3]) // _LARGEST)
    images = np.asarray(images)[:, ::step, ::step]
    n, h, w, c = images.shape
    columns = min(n, columns)
    grid = np.zeros((-(-n // columns) * columns, h, w, c), np.uint8)
    grid[:n] = images
    png = encode_png(grid.reshape(-1, columns, h, w, c).swapaxes(1, 2).reshape(-1, columns * w, c))
    style = f"image-rendering:pixelated;max-width:100%;width:{columns * width}px"
    text, data = html.escape(alt or f"the first {n} samples"), base64.b64encode(png).decode()
    return f'<img alt="{text}" style="{style}" src="data:image/png;base64,{data}">'


def encode_png(image: Array) -> bytes:
    """Return the image (h, w, 1, 3 or 4) of bytes as a PNG file (ISO/IEC 15948): signature, header, one data chunk, end."""
    h, w, c = image.shape
    lines = np.zeros((h, 1 + w * c), np.uint8)  # each line begins with its filter: 0, none
    lines[:, 1:] = image.reshape(h, -1)
    header = struct.pack(">IIBBBBB", w, h, 8, {1: 0, 3: 2, 4: 6}[c], 0, 0, 0)  # 8 bits; grey, RGB, RGBA
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b""))
    packed = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
