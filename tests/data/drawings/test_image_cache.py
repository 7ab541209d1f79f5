"""The cache of the images of drawings: the same bytes as without it, and never an old or a damaged image."""

from __future__ import annotations

import contextlib
import os
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pellucid.data import Dataset
from pellucid.data.dataset import digest
from pellucid.data.drawings import image_cache, pen_digits, strokes
from pellucid.data.drawings.image_cache import cached
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.sources import drawings as drawings_source
from pellucid.errors import ConfigError
from pellucid.kernels import SETS, prebuilt, using

SMALL = {"SIZES": {"train": 9, "validation": 8, "test": 12}, "VARIATIONS": 2, "STYLED": 11, "VARIED": 10}


class Maker:
    """Makes a few images, and counts how often."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        x = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)
        return Dataset(x, np.array([10, 0, 3, 3, 9]), classes=CLASSES, name="some drawings")


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return Maker()


def files(home):
    return sorted((home / ".cache" / "pellucid" / "drawings").glob("*"))


def test_what_is_read_is_what_was_made(make, tmp_path):
    first, second = (cached("some drawings", [5, "a"], make) for _ in range(2))
    assert make.calls == 1
    assert digest(first) == digest(second) == digest(make())
    assert (second.name, second.classes, second.y.dtype) == ("some drawings", CLASSES, np.int64)
    second.source_x[0] = 0  # it belongs to the caller, as without the cache
    (path,) = files(tmp_path)
    assert path.name.startswith("some-drawings-"), "no temporary file is left"


def test_other_inputs_constants_kernels_and_code_have_other_images(make, tmp_path, monkeypatch):
    def is_made(name="some drawings", inputs=5):
        before = make.calls
        cached(name, inputs, make)
        return make.calls > before

    assert (is_made(), is_made()) == (True, False)
    assert is_made(inputs=6)
    assert is_made("others")
    sets = []
    for kernels in SETS:
        with contextlib.suppress(ConfigError), using(kernels):  # Numba may be missing
            cached("a set", 0, make)
            sets.append(kernels)
    assert len([path for path in files(tmp_path) if path.name.startswith("a-set")]) == len(sets) > 0
    for target, name, value in [
        (strokes, "STEP", 0.04),
        (np, "__version__", "0.0"),
        (image_cache, "_code", lambda: "other code"),
        (image_cache, "_processor", lambda: "another one"),
    ]:
        monkeypatch.setattr(target, name, value)
        assert (is_made(), is_made()) == (True, False), name


def test_the_code_is_that_of_all_modules_that_make_images(monkeypatch):
    before, read = image_cache._code(), Path.read_bytes
    for name in (
        *(
            "data/drawings/styles.txt",
            "data/drawings/non_digits.txt",
            "data/drawings/variations.py",
            "data/drawings/strokes.py",
        ),
        *("data/drawings/rendering.py", "data/sources/drawings.py", "core/rng.py", "kernels/compiled/strokes.py"),
    ):
        monkeypatch.setattr(Path, "read_bytes", lambda path, n=name: read(path) + b" " * path.as_posix().endswith(n))
        image_cache._code.cache_clear()
        assert image_cache._code() != before, name
    monkeypatch.undo()
    image_cache._code.cache_clear()
    assert image_cache._code() == before


@pytest.mark.parametrize("damage", ["cut", "byte", "empty", "text", "other", "folder"])
def test_a_damaged_file_is_made_again(make, tmp_path, damage):
    expected = digest(cached("some drawings", 5, make))
    cached("some drawings", 6, make)
    paths = files(tmp_path)
    whole = {path: path.read_bytes() for path in paths}
    for path in paths:
        content = whole[path]
        if damage == "folder":
            path.unlink()
            path.mkdir()
            continue
        (other,) = (one for one in paths if one != path)
        changed = {"cut": content[:-1], "empty": b"", "byte": content[:-1] + bytes([content[-1] ^ 1]), "text": b"abc\n{}\n"}
        path.write_bytes({**changed, "other": whole[other]}[damage])
    assert digest(cached("some drawings", 5, make)) == expected
    assert make.calls == 3
    if damage != "folder":
        cached("some drawings", 6, make)
        assert {path: path.read_bytes() for path in paths} == whole


def test_without_a_place_for_files_the_images_are_made_each_time(make, tmp_path, monkeypatch):
    (tmp_path / ".cache").write_text("a file where the folder should be")
    for _ in range(2):
        assert len(cached("some drawings", 5, make)) == 5
    assert make.calls == 2

    def no_home():
        raise RuntimeError("no home folder")

    monkeypatch.setattr(image_cache.Path, "home", no_home)
    assert len(cached("some drawings", 5, make)) == 5


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes into every folder")
def test_a_home_folder_that_cannot_be_written_to_is_no_error(make, tmp_path):
    tmp_path.chmod(0o500)
    try:
        assert len(cached("some drawings", 5, make)) == 5
    finally:
        tmp_path.chmod(0o700)


def test_the_oldest_files_are_deleted(make, tmp_path, monkeypatch):
    monkeypatch.setattr(image_cache, "MAX_FILES", 2)
    for number in range(4):
        cached("some drawings", number, make)
        for path in files(tmp_path):
            os.utime(path, (path.stat().st_mtime - 10,) * 2)
    calls = make.calls
    cached("some drawings", 3, make)
    assert (len(files(tmp_path)), make.calls) == (2, calls)


def test_what_compiled_the_kernels_belongs_to_the_key(monkeypatch):
    def compilers():
        found = image_cache._environment()
        return found["numba"], found["library"]

    with using("compiled"):
        monkeypatch.setattr(prebuilt, "library", lambda: None)
        assert compilers() == (version("numba"), None)
        monkeypatch.setattr(prebuilt, "library", lambda: SimpleNamespace(path=Path("here", "x86-64-v3.so")))
        assert compilers() == (None, "x86-64-v3.so")
    with using("reference"):
        assert compilers() == (None, None)


def test_the_data_set_of_drawings_is_the_same_with_and_without_the_cache(mnist_folder, tmp_path, monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(drawings_source, name, value)
    path = [(10.0 * i, float(i * i)) for i in range(12)]
    some = tuple(pen_digits.Drawing((np.array(path) * n,), n, writer) for n, writer in ((3, 20), (4, 21), (5, 30)))
    monkeypatch.setattr(pen_digits, "find_file", lambda folder: (mnist_folder / "file", "here"))
    monkeypatch.setattr(pen_digits, "load_drawings", lambda path: some)
    made = []
    original = drawings_source.image_of
    monkeypatch.setattr(drawings_source, "image_of", lambda *drawing: made.append(1) or original(*drawing))
    first, count = drawings_source.drawings(), len(made)
    second = drawings_source.drawings()
    assert len(made) == count > 0, "nothing is drawn again"
    assert len(files(tmp_path / "home")) == 9
    monkeypatch.setenv("HOME", str(mnist_folder / "file" / "none"))
    for source in (drawings_source, pen_digits):
        monkeypatch.setattr(source, "cached", drawings_source.not_cached)
    third = drawings_source.drawings()
    digests = {(one.sha256, digest(one.train, one.validation, one.test)) for one in (first, second, third)}
    assert len(digests) == 1
    assert first.sizes == {"train": 400 + 1 + 9 + 11 + 10 + 2, "validation": 50 + 1 + 8, "test": 100 + 1 + 12}


def test_cached_pen_digits_are_not_used_where_the_file_is_missing(mnist_folder, monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(drawings_source, name, value)
    drawing = pen_digits.Drawing((np.array([(0.0, 0), (5, 9), (9, 3)]),), 3, 20)
    others = [pen_digits.Drawing(drawing.strokes, 3, writer) for writer in (21, 25)]
    monkeypatch.setattr(pen_digits, "load_drawings", lambda path: (drawing, *others))
    monkeypatch.setattr(pen_digits, "find_file", lambda folder: (mnist_folder / "file", "here"))
    with_file = drawings_source.drawings()

    def no_network(*arguments):
        raise drawings_source.DataError("no network")

    monkeypatch.setattr(pen_digits, "find_file", lambda folder: None)
    monkeypatch.setattr(pen_digits, "fetch", no_network)
    without = drawings_source.drawings()
    assert without.name == "drawings without pen strokes"
    assert len(with_file.train) - len(without.train) == 1 + SMALL["VARIATIONS"]
