"""The exports of ``pellucid.data``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.data.augmentation import Augmentation as Augmentation
from pellucid.data.dataset import Dataset as Dataset, Splits as Splits
from pellucid.data.drawings.corrections import Corrections as Corrections
from pellucid.data.drawings.pen_digits import pendigits as pendigits
from pellucid.data.drawings.rendering import digit as digit
from pellucid.data.images.files import read_picture as read_picture
from pellucid.data.sources.idx import read_idx as read_idx, write_idx as write_idx
from pellucid.data.sources.registry import (
    fashion_mnist as fashion_mnist,
    fetch as fetch,
    load as load,
    mnist as mnist,
    status as status,
)
