"""Folders of images: reading all kinds of files, files that are left out, and errors."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image

from pellucid.data import read_folder
from pellucid.data.input_stage import ImageScaling
from pellucid.data.sources.user_data import ReadOptions, suggest_settings
from pellucid.errors import ConfigError, DataError, FileError

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def save(path, array=GREY, mode=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.fromarray(array)
    (made if mode is None else made.convert(mode)).save(path, **options)


@pytest.fixture
def grey(tmp_path):
    """Three images of each of two classes, all with the same size."""
    for name in ("dark", "light"):
        for i in range(3):
            save(tmp_path / "set" / name / f"{i}.png", GREY // 2 + (i if name == "dark" else 120 + i))
    return tmp_path / "set"


def test_each_subfolder_is_a_class(grey):
    data = read_folder(grey)
    assert (data.shape, data.classes, data.y.tolist()) == ((6, 8, 1), ("dark", "light"), [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(data.x[1, ..., 0], GREY // 2 + 1)
    np.testing.assert_array_equal(data.x[5, ..., 0], GREY // 2 + 122)
    assert isinstance(data.source_x, np.memmap)
    assert data.input_stage() == data.take([1, 2]).input_stage() == ImageScaling(invert_light_background=False)
    assert data.origin.notes == (
        "images    6 (in grey; 6 high, 8 wide), converted to 6 high, 8 wide, in grey",
        "classes   2: dark (3), light (3)",
    )


def test_different_sizes_need_a_size(grey):
    save(grey / "light" / "large.png", np.full((12, 4), 200, np.uint8))
    with pytest.raises(
        DataError, match=r"2 sizes, from 6x8 to 12x4 \(height x width\); choose .* size=\(32, 32\) \(--size 32x32\)"
    ):
        read_folder(grey)
    data = read_folder(grey, size=(6, 8))
    np.testing.assert_array_equal(data.x[0, ..., 0], GREY // 2)  # an image of this size is unchanged
    wide = data.x[6, ..., 0]
    assert (wide[:, 3:5] == 200).all()
    assert not wide[:, :3].any()
    assert not wide[:, 5:].any()


def test_every_kind_of_image_becomes_bytes(grey):
    colour = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
    alpha = np.dstack([colour, np.where(GREY > 100, 255, 0).astype(np.uint8)])
    kinds = grey / "kinds"
    save(kinds / "a.png", colour)
    save(kinds / "b.png", alpha)
    save(kinds / "c.tif", colour, "CMYK")
    save(kinds / "d.gif", colour, "P")
    save(kinds / "e.png", GREY.astype(np.uint16) * 257)
    save(kinds / "f.bmp", GREY, "1")
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held upright
    save(kinds / "g.png", np.ascontiguousarray(np.rot90(colour)), exif=turned)
    data = read_folder(grey)
    assert data.shape == (6, 8, 3)
    x = data.x[data.y == data.classes.index("kinds")]
    np.testing.assert_array_equal(x[0], colour)
    np.testing.assert_array_equal(x[1], np.where(GREY[..., None] > 100, colour, 255))
    np.testing.assert_allclose(x[2], colour.astype(int), atol=2)
    np.testing.assert_array_equal(x[4], np.stack([GREY] * 3, axis=-1))
    assert set(np.unique(x[5])) <= {0, 255}
    np.testing.assert_array_equal(x[6], colour)
    assert "5 in colour and 8 in grey" in data.origin.notes[0]
    assert read_folder(grey, colour="grey").shape == (6, 8, 1)


def test_broken_and_other_files_are_left_out_and_listed(grey):
    whole = (grey / "dark" / "0.png").read_bytes()
    (grey / "dark" / "cut.png").write_bytes(whole[:50])
    (grey / "light" / "empty.jpg").write_bytes(b"")
    (grey / "light" / "notes.txt").write_text("hello")
    (grey / "light" / ".DS_Store").write_text("")
    (grey / "nobody").mkdir()
    data = read_folder(grey)
    assert len(data) == 6
    assert data.classes == ("dark", "light")
    (cut, cut_reason), (empty, empty_reason) = data.origin.skipped
    assert (cut, empty) == (str(grey / "dark" / "cut.png"), str(grey / "light" / "empty.jpg"))
    assert "cannot be decoded" in cut_reason
    assert "not an image of a known format" in empty_reason
    notes = "\n".join(data.origin.notes)
    for part in ("2 images cannot be read", "cut.png: ", "without images: nobody", "1 files that are not images: .txt"):
        assert part in notes
    assert data.take([0]).origin is data.origin


def test_unusable_folders_are_refused(grey, tmp_path):
    with pytest.raises(FileError, match="there is no such folder"):
        read_folder(tmp_path / "no")
    with pytest.raises(FileError, match="is not a folder"):
        read_folder(grey / "dark" / "0.png")
    with pytest.raises(DataError, match=r"expected one subfolder for each class.*found 3 images directly in it"):
        read_folder(grey / "dark")
    with pytest.raises(ConfigError, match="colour='gray': did you mean 'grey'"):
        read_folder(grey, colour="gray")
    for i in range(7):
        (grey / "dark" / f"bad{i}.png").write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"7 of 13 images cannot be read: .*bad0.png"):
        read_folder(grey)
    for path in (grey / "light").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="images of only one class, dark"):
        read_folder(grey)
    for path in (grey / "dark").iterdir():
        path.write_bytes(b"nonsense")
    for read in (read_folder, lambda path: suggest_settings(str(path), ReadOptions())):
        with pytest.raises(DataError, match=r"none of its images can be read: \S*0.png: not an image of a known format"):
            read(grey)


def test_a_class_without_readable_images_is_an_error(grey):
    (grey / "odd").mkdir()
    (grey / "odd" / "1.png").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="no image of the class odd can be read"):
        read_folder(grey)


def test_without_pillow(grey, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ConfigError, match=r"pip install 'pellucid\[images\]'"):
        read_folder(grey)
