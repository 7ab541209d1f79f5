"""The exports of ``pellucid.data``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.data.arrays import from_arrays as from_arrays
from pellucid.data.augmentation import Augmentation as Augmentation
from pellucid.data.dataset import Dataset as Dataset, Splits as Splits
from pellucid.data.drawings.corrections import Corrections as Corrections
from pellucid.data.drawings.pen_digits import pendigits as pendigits
from pellucid.data.drawings.rendering import digit as digit
from pellucid.data.images.folders import read_folder as read_folder
from pellucid.data.images.image_file import read_image as read_image
from pellucid.data.photographs import PhotoAugmentation as PhotoAugmentation
from pellucid.data.series.reading import read_series as read_series
from pellucid.data.series.windows import split_windows as split_windows, windows as windows
from pellucid.data.sources.idx import read_idx as read_idx, write_idx as write_idx
from pellucid.data.sources.mnist import fashion_mnist as fashion_mnist, mnist as mnist
from pellucid.data.sources.registry import fetch as fetch, load as load, status as status
from pellucid.data.sources.scenes import mnist_scenes as mnist_scenes
from pellucid.data.sources.texts import names as names, tinyshakespeare as tinyshakespeare
from pellucid.data.stream import BatchStream as BatchStream
from pellucid.data.tables.reading import read_csv as read_csv
from pellucid.data.text.reading import read_lines as read_lines, read_text as read_text
