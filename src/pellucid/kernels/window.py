"""The geometry of a window that moves over an image, as the kernels of convolution and pooling need it."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """The size (kh, kw), stride (sh, sw), padding (top, left) and dilation (dh, dw) of a window.

    Tap (i, j) of output (p, q) is the input pixel (p·sh − top + i·dh, q·sw − left + j·dw). Taps outside the image are zeros
    in a convolution and do not count in pooling.
    """

    kh: int
    kw: int
    sh: int = 1
    sw: int = 1
    top: int = 0
    left: int = 0
    dh: int = 1
    dw: int = 1
