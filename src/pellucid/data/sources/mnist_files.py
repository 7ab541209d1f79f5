"""The four files of MNIST and of Fashion-MNIST: their mirrors, and the verification of a file by its digest.

Both data sets have the same format and the same file names, so only the SHA-256 can tell their files apart.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pellucid.core.files import open_regular
from pellucid.core.memory import Array
from pellucid.data.sources.idx import idx_header, read_idx
from pellucid.errors import FileError

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@dataclass(frozen=True)
class Source:
    """A published data set in four files. ``digests`` are their SHA-256, in the order of FILES."""

    name: str
    classes: tuple[str, ...]
    mirrors: tuple[str, ...]
    digests: tuple[str, ...]
    packed: bool  # whether the digests are those of the .gz files instead of their content
    train: int = 60_000  # as published; the validation set is taken from it
    validation: int = 5_000
    test: int = 10_000
    shape: tuple[int, int] = (28, 28)

    @property
    def sizes(self) -> dict[str, int]:
        """The number of samples in each set, after the split."""
        return {"train": self.train - self.validation, "validation": self.validation, "test": self.test}


MNIST = Source(
    "mnist",
    tuple("0123456789"),
    (
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://yann.lecun.com/exdb/mnist/",
    ),
    (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    packed=False,
)
FASHION = Source(
    "fashion-mnist",
    ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    packed=True,
)


class FileContent(NamedTuple):
    """The array in a file, the SHA-256 of the content, and whether that has been compared with the published one."""

    array: Array
    digest: str
    verified: bool


def find_files(source: Source, folder: Path) -> dict[str, Path]:
    """Return those of the four files that are in ``folder``, compressed or not."""
    endings = (".gz", "") if source.packed else ("", ".gz")  # preferred: the one that can be verified, then the faster one
    paths = {file: [folder / (file + ending) for ending in endings] for file in FILES}
    existing = {file: [path for path in both if os.path.exists(path)] for file, both in paths.items()}
    return {file: both[0] for file, both in existing.items() if both}


def read_file(source: Source, file: str, path: Path, *, mapped: bool = False) -> FileContent:
    """Read one of the four files, as a memory map if it is ``mapped`` and not compressed.

    Raises FileError for a digest, a shape or values that are not those of the published file.

    The digest of an uncompressed Fashion-MNIST file is not known: ``verified`` is then False.
    """
    verified = True
    if source.packed:
        with open_regular(path) as raw:
            verified = raw.read(2) == b"\x1f\x8b"  # the digest of an uncompressed file is not known
            raw.seek(0)
            packed_digest = hashlib.file_digest(raw, "sha256").hexdigest()
        if verified:
            _compare(source, file, path, packed_digest)
    array = read_idx(path, mapped=mapped)
    digest = content_digest(array)
    if not source.packed:
        _compare(source, file, path, digest)
    elif not verified and digest in MNIST.digests:
        raise FileError(f"{path}: is the {file} of MNIST, expected that of {source.name}")
    n = source.train if file.startswith("train") else source.test
    shape = (n, *source.shape) if "images" in file else (n,)
    if array.dtype != np.uint8 or array.shape != shape:
        raise FileError(f"{path}: expected {shape} bytes for {source.name}, got {array.dtype} of shape {array.shape}")
    if "labels" in file and array.max() >= len(source.classes):
        raise FileError(f"{path}: the labels of {source.name} are 0 … {len(source.classes) - 1}, got {array.max()}")
    return FileContent(array, digest, verified)


def _compare(source: Source, file: str, path: Path, digest: str) -> None:
    expected = source.digests[FILES.index(file)]
    if digest != expected:
        raise FileError(f"{path}: is not the {file} of {source.name}: expected SHA-256 {expected}, got {digest}")


def is_mnist(found: dict[str, Path]) -> bool:
    """Return whether these are the files of MNIST. Only the files of labels are read, which is fast."""
    return any("labels" in file and content_digest(read_idx(path)) in MNIST.digests for file, path in found.items())


def content_digest(array: Array) -> str:
    """Return the SHA-256 of the uncompressed IDX file of this array of bytes."""
    sha = hashlib.sha256(idx_header(array))
    sha.update(array.reshape(-1).data)
    return sha.hexdigest()
