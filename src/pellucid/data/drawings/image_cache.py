"""The images of drawings, kept in the cache folder of the user: making all of them takes most of a minute, reading a moment.

A file is found by everything that determines its bytes: the inputs and settings, the code and the constants of the modules that
make the images, the kernels, and the kind of machine. So a new version never reads the images of an old one. A file that is
damaged is made again. Where there is no home folder, or nothing can be written, the images are made each time.

A file has two lines of text and data: the SHA-256 of the rest; canonical JSON with the key, the classes, the name and the
number of images; then, compressed, the bytes of all images and one byte for each label.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import json
import math
import platform
import zlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core.files import canonical_json, make_folder, open_regular, write_atomically
from pellucid.data.dataset import Dataset
from pellucid.data.sources.folders import cache_folder
from pellucid.errors import FileError
from pellucid.kernels import load, name_of, prebuilt

SHAPE = (28, 28, 1)
SUFFIX = ".images"
MAX_FILES = 24  # the data set "drawings" has nine, together 7 MB; the oldest are deleted
# What makes the images: all of this folder, and these modules.
MODULES = tuple(f"pellucid.data.drawings.{name}" for name in ("non_digits", "rendering", "strokes", "styles", "variations"))
FILES = ("data/sources/drawings.py", "core/rng.py", "kernels/reference/strokes.py", "kernels/compiled/strokes.py")


def cached(name: str, inputs: Any, make: Callable[[], Dataset]) -> Dataset:
    """Return what ``make()`` returns, images (28, 28, 1) of bytes with labels, from the cache if they are in it.

    ``name`` and ``inputs`` (plain JSON) determine the images, beside the code.
    """
    try:
        folder = cache_folder("drawings")
        key = canonical_json({"name": name, "inputs": inputs, **_environment(), "constants": _constants()})
    except (FileError, OSError):  # without a home folder, or the code as files
        return make()
    path = folder / f"{name.replace(' ', '-')}-{hashlib.sha256(key.encode()).hexdigest()[:32]}{SUFFIX}"
    found = _read(path, key)
    if found is None:
        found = make()
        with contextlib.suppress(FileError, OSError):  # a cache that cannot be written is no error
            make_folder(folder)
            _write(path, key, found)
            _remove_old_files(folder)
    return found


def _read(path: Path, key: str) -> Dataset | None:
    """Return the images in a file; None if there is no such file, or it is damaged."""
    try:
        with open_regular(path) as file:
            digest, rest = file.readline(100), file.read()
        if digest.decode().strip() != hashlib.sha256(rest).hexdigest():
            return None
        text, _, packed = rest.partition(b"\n")
        card = json.loads(text)
        if card["key"] != key:
            return None
        content, n = zlib.decompress(packed), card["n"]
        pixels = n * math.prod(SHAPE)
        x = np.frombuffer(content, np.uint8, pixels).reshape(n, *SHAPE).copy()  # a copy can be written to
        y = np.frombuffer(content, np.uint8, n, pixels).astype(np.int64)
        return Dataset(x, y, classes=card["classes"], name=card["name"])
    except (FileError, OSError, ValueError, LookupError, TypeError, zlib.error):
        return None


def _write(path: Path, key: str, images: Dataset) -> None:
    card = {"key": key, "classes": images.classes, "name": images.name, "n": len(images)}
    x, y = np.asarray(images.x), np.asarray(images.y)
    if x.dtype != np.uint8 or x.shape[1:] != SHAPE or y.dtype != np.int64 or y.max(initial=0) > 255:
        return  # they would not be the same when they are read
    rest = canonical_json(card).encode() + b"\n" + zlib.compress(x.tobytes() + y.astype(np.uint8).tobytes(), 1)
    write_atomically(path, [hashlib.sha256(rest).hexdigest().encode(), b"\n", rest], sync=False)


def _remove_old_files(folder: Path) -> None:
    """Delete the oldest files, beyond MAX_FILES."""
    for path in sorted(folder.glob(f"*{SUFFIX}"), key=lambda one: one.stat().st_mtime)[:-MAX_FILES]:
        path.unlink(missing_ok=True)


@functools.cache
def _code() -> str:
    """Return the SHA-256 of the source text of what makes the images, and of its templates. Raises OSError without files."""
    package = files("pellucid")
    sha = hashlib.sha256()
    here = sorted(one.name for one in package.joinpath("data", "drawings").iterdir() if one.name.endswith((".py", ".txt")))
    for name in (*(f"data/drawings/{one}" for one in here), *FILES):
        sha.update(hashlib.sha256(package.joinpath(*name.split("/")).read_bytes()).digest())
    return sha.hexdigest()


def _environment() -> dict[str, Any]:
    """Return what else than the inputs and the settings determines the bytes of an image."""
    kernels = name_of(load())
    library = prebuilt.library() if kernels == "compiled" else None
    numba = None
    if kernels == "compiled" and library is None:
        with contextlib.suppress(PackageNotFoundError):
            numba = version("numba")
    machine = [platform.system(), platform.machine(), _processor()]
    compiled = {"numba": numba, "library": library and library.path.name}
    return {"code": _code(), "kernels": kernels, "numpy": np.__version__, **compiled, "machine": machine}


def _constants() -> dict[str, str]:
    """Return the constants of the modules as they are now: an experiment may have changed them."""
    found = {}
    for module in MODULES:
        for name, value in vars(importlib.import_module(module)).items():
            if name.isupper() and not (isinstance(value, dict) and any(map(callable, value.values()))):
                found[f"{module}.{name}"] = repr(value)
    return found


@functools.cache
def _processor() -> str:
    """Return the model of the processor, as far as the system tells it: others may round differently."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line
    return platform.processor()
