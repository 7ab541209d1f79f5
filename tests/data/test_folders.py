"""Pictures in folders: how each kind of file is read, what is left out, and what is refused."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from pellucid.data import Dataset
from pellucid.data.input_stage import Bytes
from pellucid.data.sources.user_data import Reading, opened, parsed_size, suited
from pellucid.errors import ConfigError, DataError, FileError, PellucidError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def picture(path, array=GREY, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.fromarray(array)
    (made if mode is None else made.convert(mode)).save(path, **options)


@pytest.fixture
def grey(tmp_path):
    """Three pictures of each of two classes, all of one size."""
    for name in ("dark", "light"):
        for i in range(3):
            picture(tmp_path / "set" / name / f"{i}.png", GREY // 2 + (i if name == "dark" else 120 + i))
    return tmp_path / "set"


def test_one_folder_is_one_class(grey):
    data = Dataset.from_folder(grey)
    assert (data.shape, data.classes, data.y.tolist()) == ((6, 8, 1), ("dark", "light"), [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(data.x[1, ..., 0], GREY // 2 + 1)
    np.testing.assert_array_equal(data.x[5, ..., 0], GREY // 2 + 122)
    assert isinstance(data.source_x, np.memmap)
    assert data.stage() == data.take([1, 2]).stage() == Bytes(ink=False)
    assert data.origin.notes == (
        "pictures  6 (in grey; 8x6 pixels), learned as 8x6 in grey",
        "classes   2: dark (3), light (3)",
    )


def test_sizes_that_differ_want_a_wish(grey):
    picture(grey / "light" / "large.png", np.full((12, 4), 200, np.uint8))
    with pytest.raises(DataError, match=r"2 sizes, from 8x6 to 4x12 pixels: say which .* size=\(32, 32\) \(--size 32x32\)"):
        Dataset.from_folder(grey)
    data = Dataset.from_folder(grey, size=(6, 8))
    np.testing.assert_array_equal(data.x[0, ..., 0], GREY // 2)  # what has the size already is taken as it is
    wide = data.x[6, ..., 0]
    assert (wide[:, 3:5] == 200).all()
    assert not wide[:, :3].any()
    assert not wide[:, 5:].any()


def test_every_kind_of_picture_becomes_bytes(grey):
    colour = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
    alpha = np.dstack([colour, np.where(GREY > 100, 255, 0).astype(np.uint8)])
    kinds = grey / "kinds"
    picture(kinds / "a.png", colour)
    picture(kinds / "b.png", alpha)
    picture(kinds / "c.tif", colour, "CMYK")
    picture(kinds / "d.gif", colour, "P")
    picture(kinds / "e.png", GREY.astype(np.uint16) * 257)
    picture(kinds / "f.bmp", GREY, "1")
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    picture(kinds / "g.png", np.ascontiguousarray(np.rot90(colour)), exif=turned)
    data = Dataset.from_folder(grey)
    assert data.shape == (6, 8, 3)
    x = data.x[data.y == data.classes.index("kinds")]
    np.testing.assert_array_equal(x[0], colour)
    np.testing.assert_array_equal(x[1], np.where(GREY[..., None] > 100, colour, 255))
    np.testing.assert_allclose(x[2], colour.astype(int), atol=2)
    np.testing.assert_array_equal(x[4], np.stack([GREY] * 3, axis=-1))
    assert set(np.unique(x[5])) <= {0, 255}
    np.testing.assert_array_equal(x[6], colour)
    assert "5 in colour and 8 in grey" in data.origin.notes[0]
    assert Dataset.from_folder(grey, colour="grey").shape == (6, 8, 1)


def test_broken_and_foreign_files_are_left_out_and_listed(grey):
    whole = (grey / "dark" / "0.png").read_bytes()
    (grey / "dark" / "cut.png").write_bytes(whole[:50])
    (grey / "light" / "empty.jpg").write_bytes(b"")
    (grey / "light" / "notes.txt").write_text("hello")
    (grey / "light" / ".DS_Store").write_text("")
    (grey / "nobody").mkdir()
    data = Dataset.from_folder(grey)
    assert len(data) == 6
    assert data.classes == ("dark", "light")
    (one, why), (other, reason) = data.origin.skipped
    assert (one, other) == (str(grey / "dark" / "cut.png"), str(grey / "light" / "empty.jpg"))
    assert "cannot be decoded" in why
    assert "no picture of a known kind" in reason
    said = "\n".join(data.origin.notes)
    for part in ("2 pictures cannot be read", "cut.png: ", "without pictures: nobody", "1 files that are no pictures: .txt"):
        assert part in said
    assert data.take([0]).origin is data.origin


def test_folders_that_cannot_be_learned_from(grey, tmp_path):
    with pytest.raises(FileError, match="there is no such folder"):
        Dataset.from_folder(tmp_path / "no")
    with pytest.raises(FileError, match="is no folder"):
        Dataset.from_folder(grey / "dark" / "0.png")
    with pytest.raises(DataError, match=r"wants one folder a class.*3 pictures lie in it directly"):
        Dataset.from_folder(grey / "dark")
    with pytest.raises(ConfigError, match="colour='gray': did you mean 'grey'"):
        Dataset.from_folder(grey, colour="gray")
    for i in range(7):
        (grey / "dark" / f"bad{i}.png").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"7 of 13 pictures cannot be read: .*bad0.png"):
        Dataset.from_folder(grey)
    for path in (grey / "light").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="pictures of one class, dark"):
        Dataset.from_folder(grey)
    for path in (grey / "dark").iterdir():
        path.write_bytes(b"nonsense")
    for read in (Dataset.from_folder, lambda path: suited(str(path), Reading())):
        with pytest.raises(DataError, match=r"none of its pictures can be read: \S*0.png: no picture of a known kind"):
            read(grey)


def test_a_class_of_which_nothing_can_be_read_is_an_error(grey):
    (grey / "odd").mkdir()
    (grey / "odd" / "1.png").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="no picture of the class odd can be read"):
        Dataset.from_folder(grey)


def test_without_pillow(grey, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ConfigError, match=r"pip install 'pellucid\[images\]'"):
        Dataset.from_folder(grey)


def test_a_folder_may_bring_its_own_split(grey, tmp_path):
    for i in range(20):
        for name in ("dark", "light"):
            picture(tmp_path / "own" / "train" / name / f"{i}.png")
    for name in ("dark", "light"):
        picture(tmp_path / "own" / "test" / name / "0.png", GREY // 3)
    splits = opened(str(tmp_path / "own"), Reading(), 0)
    assert splits.sizes == {"train": 36, "validation": 4, "test": 2}
    np.testing.assert_array_equal(splits.test.x[0, ..., 0], GREY // 3)
    assert "test set  it has 2 samples only: figures on it are rough" in splits.notes
    picture(tmp_path / "own" / "test" / "lihgt" / "1.png")
    with pytest.raises(DataError, match="there is no class 'lihgt': did you mean 'light'"):
        opened(str(tmp_path / "own"), Reading(), 0)


def test_what_fits_the_data(grey, tmp_path):
    reading, preset, line = suited(str(grey), Reading())
    assert (reading.size, preset, line) == ((6, 8), "mlp", None)
    picture(grey / "dark" / "other.png", np.zeros((30, 40), np.uint8))
    reading, preset, line = suited(str(grey), Reading())
    assert (reading.size, preset) == ((32, 32), "cnn")
    assert "2 sizes, from 8x6 to 40x30 pixels: brought to 32x32" in line
    assert suited(str(grey), Reading(size=(10, 12)))[:2] == (Reading(size=(10, 12)), "mlp")
    assert parsed_size("64x48") == (48, 64)
    assert parsed_size("32") == (32, 32)
    for wrong in ("big", "3x", "0x4"):
        with pytest.raises(PellucidError, match="--size"):
            Reading(size=parsed_size(wrong))


def test_too_few_samples_for_three_sets(grey):
    with pytest.raises(DataError, match="6 samples are too few for three sets"):
        opened(str(grey), Reading(), 0)
