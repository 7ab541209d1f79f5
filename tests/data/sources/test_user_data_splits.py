"""User data as three sets: folders that are split already, suggested settings, and errors."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pellucid.data.sources.user_data import ReadOptions, parse_size, read_splits, suggest_settings
from pellucid.errors import DataError, PellucidError

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


def test_a_folder_can_be_split_already(grey, tmp_path):
    for i in range(20):
        for name in ("dark", "light"):
            save(tmp_path / "own" / "train" / name / f"{i}.png")
    for name in ("dark", "light"):
        save(tmp_path / "own" / "test" / name / "0.png", GREY // 3)
    splits = read_splits(str(tmp_path / "own"), ReadOptions(), 0)
    assert splits.sizes == {"train": 36, "validation": 4, "test": 2}
    np.testing.assert_array_equal(splits.test.x[0, ..., 0], GREY // 3)
    assert "test set  only 2 samples: results on it are rough" in splits.notes
    save(tmp_path / "own" / "test" / "lihgt" / "1.png")
    with pytest.raises(DataError, match="there is no class 'lihgt': did you mean 'light'"):
        read_splits(str(tmp_path / "own"), ReadOptions(), 0)


def test_suggested_settings_suit_the_data(grey, tmp_path):
    reading, preset, note = suggest_settings(str(grey), ReadOptions())
    assert (reading.size, preset, note) == ((6, 8), "mlp", None)
    save(grey / "dark" / "other.png", np.zeros((30, 40), np.uint8))
    reading, preset, note = suggest_settings(str(grey), ReadOptions())
    assert (reading.size, preset) == ((32, 32), "cnn")
    assert "2 sizes, from 6x8 to 30x40 (height x width): resized to 32x32" in note
    assert suggest_settings(str(grey), ReadOptions(size=(10, 12)))[:2] == (ReadOptions(size=(10, 12)), "mlp")
    assert parse_size("48x64") == (48, 64)
    assert parse_size("32") == (32, 32)
    for wrong in ("big", "3x", "0x4"):
        with pytest.raises(PellucidError, match="--size"):
            ReadOptions(size=parse_size(wrong))


def test_too_few_samples_for_three_sets(grey):
    with pytest.raises(DataError, match="6 samples are too few for three sets"):
        read_splits(str(grey), ReadOptions(), 0)
