"""Where a window lies on a picture: what convolution and pooling kernels are told about geometry."""

from __future__ import annotations

from typing import NamedTuple


class Window(NamedTuple):
    """Where a kernel of kh × kw taps lies on a picture: the tap (i, j) of output (p, q) is the input pixel
    (p·sh − top + i·dh, q·sw − left + j·dw); outside the picture there is nothing (zeros for a convolution)."""

    kh: int
    kw: int
    sh: int = 1
    sw: int = 1
    top: int = 0
    left: int = 0
    dh: int = 1
    dw: int = 1
