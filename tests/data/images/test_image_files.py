"""Image files: unchanged if they have the size of the model, otherwise resized, with light ink on dark."""

from __future__ import annotations

import base64
import builtins
import contextlib
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from pellucid.core import free_memory
from pellucid.data.images.image_file import read_image
from pellucid.errors import ConfigError, FileError, ShapeError
from pellucid.notebook import encode_png

Image = pytest.importorskip("PIL.Image")

GREY = (28, 28, 1)


def noise(*shape: int):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def put(tmp_path, array, mode=None, name="a.png", **options):
    path = tmp_path / name
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


@pytest.mark.parametrize("border", [0, 255])
def test_an_image_of_the_right_size_is_unchanged(tmp_path, border):
    pixels = noise(28, 28)
    pixels[[0, -1]] = border  # a light border is not inverted either
    image = read_image(put(tmp_path, pixels), GREY)
    assert image.shape == GREY
    assert image.dtype == np.uint8
    assert (image[:, :, 0] == pixels).all()


def test_colours_are_kept_or_converted_to_grey(tmp_path):
    pixels = noise(6, 8, 3)
    path = put(tmp_path, pixels)
    assert (read_image(path, (6, 8, 3)) == pixels).all()
    grey = read_image(path, (6, 8, 1))[:, :, 0]
    assert np.abs(grey - pixels @ [0.299, 0.587, 0.114]).max() < 1  # ITU-R BT.601
    assert (read_image(put(tmp_path, pixels[:, :, 0]), (6, 8, 3)) == pixels[:, :, :1]).all()


@pytest.mark.parametrize("dark_on_light", [True, False])
def test_other_sizes_become_light_on_dark(tmp_path, dark_on_light):
    pixels = np.full((280, 280), 255 if dark_on_light else 0, np.uint8)
    pixels[100:180, 120:160] = 0 if dark_on_light else 255  # 80 × 40 of ink, scaled by ten
    image = read_image(put(tmp_path, pixels), GREY)[:, :, 0]
    assert (image[11:17, 13:15] > 230).all()
    assert (image[:8] < 5).all()
    assert abs(image.sum() / 255 - 8 * 4) < 1


@pytest.mark.parametrize(("h", "w"), [(100, 50), (50, 100), (7, 14), (1, 1000), (1000, 1)])
def test_resized_images_keep_their_aspect_ratio_and_are_centred_on_black(tmp_path, h, w):
    pixels = np.full((h, w, 3), 200, np.uint8)
    image = read_image(put(tmp_path, pixels), (20, 20, 3))
    rows, columns = np.flatnonzero(image[:, :, 0].any(1)), np.flatnonzero(image[:, :, 0].any(0))
    scale = 20 / max(h, w)
    assert len(rows) == max(1, round(h * scale))
    assert len(columns) == max(1, round(w * scale))
    assert abs(rows[0] - (19 - rows[-1])) <= 1
    assert abs(columns[0] - (19 - columns[-1])) <= 1
    assert (image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] == 200).all()  # in colour nothing is inverted


def test_transparent_parts_become_white(tmp_path):
    pixels = np.zeros((40, 40, 4), np.uint8)  # black ink, all of it transparent but a square
    pixels[10:30, 10:30, 3] = 255
    path = put(tmp_path, pixels)
    image = read_image(path, (20, 20, 1))[:, :, 0]
    assert (image[7:13, 7:13] > 230).all()  # Lanczos rings a little
    assert (image[:3] < 10).all()
    assert (read_image(path, (40, 40, 1))[:, :, 0] == np.where(pixels[:, :, 3], 0, 255)).all()


def test_transparent_parts_become_black_where_everything_else_is_white(tmp_path):
    """White ink on a transparent canvas: on white, nothing of it would be left."""
    square = np.zeros((40, 40), np.uint8)
    square[10:30, 10:30] = 255
    white = np.full((40, 40), 255, np.uint8)
    Image.merge("LA", [Image.fromarray(white), Image.fromarray(square)]).save(tmp_path / "grey.png")
    Image.merge("RGBA", [Image.fromarray(white)] * 3 + [Image.fromarray(square)]).save(tmp_path / "colours.png")
    Image.fromarray(square).save(tmp_path / "key.png", transparency=0)
    Image.fromarray((square // 255).astype(np.uint16) * 65535).save(tmp_path / "16.png", transparency=0)
    for name in ("grey.png", "colours.png", "key.png", "16.png"):
        assert (read_image(tmp_path / name, (40, 40, 1))[:, :, 0] == square).all(), name
        assert (read_image(tmp_path / name, (40, 40, 3))[:, :, 1] == square).all(), name
    Image.merge("LA", [Image.fromarray(white), Image.fromarray(square * 0)]).save(tmp_path / "nothing.png")
    assert (read_image(tmp_path / "nothing.png", (40, 40, 1)) == 255).all()


def test_a_transparent_value_of_16_bits(tmp_path):
    pixels = np.array([[0, 1000], [30000, 1000]], np.uint16)
    Image.fromarray(pixels).save(tmp_path / "a.png", transparency=1000)
    assert read_image(tmp_path / "a.png", (2, 2, 1))[:, :, 0].tolist() == [[0, 255], [30000 >> 8, 255]]


def test_the_lab_colours_of_a_tiff_file_become_grey(tmp_path):
    Image.new("LAB", (6, 6), (128, 128, 128)).save(tmp_path / "a.tif")
    grey, colour = (read_image(tmp_path / "a.tif", (6, 6, channels)) for channels in (1, 3))
    assert abs(int(grey[0, 0, 0]) - int(colour[0, 0, 1])) <= 1


def test_16_bits_become_8(tmp_path):
    pixels = (np.arange(28 * 28, dtype=np.uint16) * 83).reshape(28, 28)
    assert (read_image(put(tmp_path, pixels), GREY)[:, :, 0] == pixels >> 8).all()
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 28 28 65535\n" + pixels.astype(">u2").tobytes())
    assert (read_image(path, GREY)[:, :, 0] == pixels >> 8).all()


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA"])
def test_modes_of_pillow(tmp_path, mode):
    pixels = np.where(noise(28, 28) > 128, 255, 0).astype(np.uint8)
    assert (read_image(put(tmp_path, pixels, mode), GREY)[:, :, 0] == pixels).all()


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "L").convert("P")
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "a.png", transparency=0)
    assert read_image(tmp_path / "a.png", (2, 2, 3))[:, :, 2].tolist() == [[255, 30], [30, 255]]


def test_a_photograph_is_rotated_by_its_exif_data(tmp_path):
    pixels = np.zeros((10, 20), np.uint8)
    pixels[:, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: rotate to the right
    image = read_image(put(tmp_path, pixels, name="a.jpg", exif=exif, quality=95), (20, 10, 1))[:, :, 0]
    assert (image[:9] > 200).all()
    assert (image[11:] < 50).all()


def test_files_that_are_not_images_are_named(tmp_path):
    good = put(tmp_path, noise(50, 50)).read_bytes()
    path = tmp_path / "b.png"
    for data, words in (
        (b"", "not an image of a known format"),
        (b"some text", "not an image of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not an image of a known format"),
        (good[:1500], "cannot be decoded"),
        (good[:60], "cannot be decoded"),
        (good[:500] + bytes(500) + good[1000:], "cannot be decoded"),
    ):
        path.write_bytes(data)
        with pytest.raises(FileError, match=words) as error:
            read_image(path, GREY)
        assert str(path) in str(error.value)
    with pytest.raises(FileError, match="no such file"):
        read_image(tmp_path / "missing.png", GREY)
    with pytest.raises(FileError, match="got a folder"):
        read_image(tmp_path, GREY)


@pytest.mark.parametrize("side", [10_000, 60_000])  # Pillow warns of the first and refuses the second
def test_a_decompression_bomb(tmp_path, side):
    bomb = bytearray(encode_png(np.zeros((1, 1, 1), np.uint8)))
    bomb[16:24] = struct.pack(">II", side, side)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
    (tmp_path / "a.png").write_bytes(bomb)
    with pytest.raises(FileError, match="pixels: make it smaller"):
        read_image(tmp_path / "a.png", GREY)


def test_a_damaged_file_does_not_claim_more_memory_than_it_has(tmp_path):
    """Found by fuzzing: Pillow asks the file for as many bytes as the header of a chunk says, here 67 million of 132."""
    damaged = (
        "iVBORw0KGgoAAAANSUhEUgAAAAcAAAAJCAYAAAD+WDajBAAAS0lEQVR4nG2NsQ3AMAzDHIBnaMz/V3jsGR5yhIF0SYs28cBJhNjMpqGkxkMooS"
        "eMDV0hRoIvu1fjw1c6xp/kobL33la9o7lLZXNJN2UpaRkz6lxSAAAAAElFTkSuQmCC"
    )
    (tmp_path / "a.png").write_bytes(base64.b64decode(damaged))
    with contextlib.suppress(FileError):
        read_image(tmp_path / "a.png", GREY)  # imports Pillow
    tracemalloc.start()
    try:
        with contextlib.suppress(FileError):
            read_image(tmp_path / "a.png", (6, 6, 3), invert_light_background=False)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_an_image_that_needs_too_much_memory_to_be_resized(tmp_path, monkeypatch):
    """Found by fuzzing: the weights of a resized image that is one pixel wide take 48 bytes for each of its rows."""
    path = put(tmp_path, np.zeros((500_000, 1), np.uint8))
    assert read_image(path, GREY).shape == GREY
    monkeypatch.setattr(free_memory, "free_memory", lambda: 20_000_000)
    with pytest.raises(FileError, match=r"a\.png: resizing an image of 500,000 × 1 to 28 × 28 pixels needs 25 MB of memory"):
        read_image(path, GREY)
    with pytest.raises(ShapeError, match=r"a size of 1,000,000 × 1,000,000 pixels is too large; at most 89,478,485"):
        read_image(path, (10**6, 10**6, 1))


def test_floating_point_pixels_are_refused(tmp_path):
    path = put(tmp_path, np.zeros((5, 5), np.float32), name="a.tiff")
    with pytest.raises(FileError, match="floating-point"):
        read_image(path, GREY)


@pytest.mark.parametrize("shape", [(784,), (28, 28), (28, 28, 2), (0, 28, 1)])
def test_a_shape_that_is_not_of_an_image_is_refused(tmp_path, shape):
    with pytest.raises(ShapeError, match="an image has the shape"):
        read_image(tmp_path / "a.png", shape)


def test_without_pillow(tmp_path, monkeypatch):
    real = builtins.__import__

    def absent(name, *rest):
        if name == "PIL":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigError, match=r"pip install 'pellucid\[images\]'"):
        read_image(tmp_path / "a.png", GREY)
