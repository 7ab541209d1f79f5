"""Pen strokes: the file is parsed, proven and split by writers."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from pellucid import DataError, FileError
from pellucid.data import pendigits as pen

TEXT = """.INCLUDE        dene.doc

.LEXICON "0" "1"
.HIERARCHY      DIGIT

.SEGMENT DIGIT    0 ? "7"
.COMMENT 7 12  224
.PEN_DOWN
 10  90
 60  88
 30  10
.PEN_UP
.DT 100
.PEN_DOWN
 20  50
 55  52
.PEN_UP
.DT 100

.SEGMENT DIGIT    1 ? "1"
.COMMENT 1 26   54
.PEN_DOWN
 5  5
.PEN_UP
"""


def folder():
    named = os.environ.get("PELLUCID_DATA")
    return None if named is None else next((p for p in (Path(named).parent / "pendigits",) if p.is_dir()), None)


def test_a_drawing_is_its_strokes_its_digit_and_its_writer():
    seven, one = pen.parse(TEXT)
    assert (seven.label, seven.writer, len(seven.strokes)) == (7, 12, 2)
    np.testing.assert_array_equal(seven.strokes[0], [(10, -90), (60, -88), (30, -10)])  # y downwards
    assert (one.label, one.writer) == (1, 26)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((".COMMENT 7 12  224\n", ""), "drawing 0: no .COMMENT"),
        ((" 60  88", " 60  8x"), "drawing 0: ' 60  8x' is no point"),
        ((" 60  88", " 60"), "is no point"),
        ((".PEN_DOWN\n 5  5\n", ""), "drawing 1: no strokes"),
    ],
)
def test_broken_texts(change, said):
    with pytest.raises(DataError, match=said):
        pen.parse(TEXT.replace(*change))


def test_another_file_is_refused_and_a_missing_one_named(tmp_path, monkeypatch):
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    with pytest.raises(DataError, match="name the folder"):
        pen.pendigits()
    with pytest.raises(DataError, match=r"neither pendigits-orig\.tra nor"):
        pen.pendigits(tmp_path)
    (tmp_path / "pendigits-orig.tra").write_text(TEXT)
    with pytest.raises(FileError, match="is not the published"):
        pen.pendigits(tmp_path)
    (tmp_path / "pendigits-orig.tra").unlink()
    (tmp_path / "pendigits-orig.tra.gz").write_bytes(gzip.compress(TEXT.encode())[:-9])
    with pytest.raises(FileError, match="damaged"):
        pen.pendigits(tmp_path)


@pytest.mark.skipif(folder() is None, reason="the published file is not beside PELLUCID_DATA")
def test_the_published_file():
    splits = pen.pendigits(folder())
    assert splits.sizes == {"train": 4_996, "validation": 1_000, "test": 1_498}
    assert splits.train.x.shape == (4_996, 28, 28, 1)
    assert np.bincount(splits.test.y, minlength=10).min() > 100
    ink = splits.train.x.mean()
    assert 25 < ink < 40  # MNIST's mean is 33
    writers = {one.writer for one in pen.drawings(next(folder().iterdir()))}
    assert writers == set(range(1, 31))
