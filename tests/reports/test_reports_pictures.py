"""Public reports about pictures of odd kinds, and about MNIST demos: what users did, and what happens here."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from pellucid import DataError, FileError
from pellucid.data import mnist, read_folder

Image = pytest.importorskip("PIL.Image")

from pellucid.data.images.image_file import read_image  # noqa: E402

GRADIENT = np.linspace(0, 255, 28 * 28).reshape(28, 28)


def digit(size: int = 40) -> np.ndarray:
    """Light ink on black: an upright bar left of the middle."""
    pixels = np.zeros((size, size), np.uint8)
    pixels[size // 8 : -size // 8, size // 4 : size // 2] = 255
    return pixels


def test_grey_values_of_16_bits(tmp_path):
    """A grey picture of 16 bits is loaded as white: values above 255 are clipped.

    Source: keras-team/keras-preprocessing#227. Right: the upper eight bits of each value.
    """
    values = (GRADIENT * 257).astype(np.uint16)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        assert (read_image(tmp_path / name, (28, 28, 1))[:, :, 0] == values >> 8).all()


def test_grey_values_of_32_bits(tmp_path):
    """Pictures of 32 bits lose their values when they are converted to bytes; a request to read them.

    Source: keras-team/keras-preprocessing#242. Right: an error that says so, not a black picture.
    """
    Image.fromarray(GRADIENT.astype(np.int32)).save(tmp_path / "integers.tif")
    Image.fromarray(GRADIENT.astype(np.float32)).save(tmp_path / "fractions.tif")
    signed = (GRADIENT - 128).astype(np.int16).view(np.uint16)
    Image.fromarray(signed).save(tmp_path / "signed.tif", tiffinfo={339: 2})  # the format of a sample
    for name, kind in [("integers.tif", "integers"), ("signed.tif", "with a sign"), ("fractions.tif", "floating-point")]:
        with pytest.raises(FileError, match=rf"{kind}.* of an unknown range: save it with 8 or 16 bits"):
            read_image(tmp_path / name, (28, 28, 1))


def test_a_picture_with_an_alpha_channel(tmp_path):
    """A PNG of a drawing program: "expected conv2d_1_input to have shape (28, 28, 3) but got (28, 28, 4)".

    Source: imfing/keras-flask-deploy-webapp#23. Right: transparent parts become white, and the channels are those of the model.
    """
    pixels = np.zeros((28, 28, 4), np.uint8)
    pixels[4:24, 8:12] = (200, 0, 0, 255)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", (28, 28, 3))
    assert image.shape == (28, 28, 3)
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[10, 10].tolist() == [200, 0, 0]


@pytest.mark.parametrize("ink", [0, 255], ids=["black on alpha", "white on alpha"])
def test_a_drawing_on_a_transparent_canvas(tmp_path, ink):
    """A drawn character is predicted wrongly: it is black on alpha or white on black, not black on white.

    Source: jadeocr/jadeocr#1. Right: whatever the colour of the ink, the network gets light ink on black.
    """
    opacity = digit()
    canvas = Image.merge("LA", [Image.fromarray(np.full((40, 40), ink, np.uint8)), Image.fromarray(opacity)])
    canvas.convert("RGBA").save(tmp_path / "canvas.png")
    Image.fromarray(opacity).save(tmp_path / "expected.png")
    image, expected = (read_image(tmp_path / name, (28, 28, 1)).astype(int) for name in ("canvas.png", "expected.png"))
    assert np.abs(image - expected).max() <= 1
    assert image[14, 10] > 200 > 50 > image[14, 24]


def test_dark_ink_on_light_paper(tmp_path):
    """A digit cut out of a scan is read by cv2, resized and predicted as 8 instead of 3: it is dark on light.

    Source: sugyan/tensorflow-mnist#7. Right: a scan becomes light ink on black, as in MNIST, with its proportions.
    """
    Image.fromarray(255 - digit(50)[:, :40]).save(tmp_path / "scan.png")
    image = read_image(tmp_path / "scan.png", (28, 28, 1))[:, :, 0]
    assert np.median(np.r_[image[0], image[-1], image[:, 0], image[:, -1]]) < 30
    assert image[14, 12] > 200


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp"])
def test_a_photograph_that_was_taken_upright(tmp_path, name):
    """Pictures of a camera lie on their side: the orientation in the EXIF data is ignored.

    Source: tensorflow/tensorflow#49834. Right: they are rotated, in a folder too.
    """
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate to the right
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.fromarray(pixels).save(tmp_path / label / name, exif=exif, quality=95)
    image = read_image(tmp_path / "a" / name, (32, 16, 1))[:, :, 0].astype(int)
    assert image[:14].min() > 200
    assert image[18:].max() < 50
    assert read_folder(tmp_path).shape == (32, 16, 3)


def test_a_palette_in_a_bmp_file(tmp_path):
    """image_dataset_from_directory with grey pictures does not read BMP files of 8 bits, which have a palette.

    Source: tensorflow/tensorflow#63008. Right: the colours of the palette, in grey.
    """
    image = Image.fromarray((GRADIENT // 64).astype(np.uint8)).convert("P")
    image.putpalette([channel for colour in (10, 80, 160, 250) for channel in (colour,) * 3])
    image.save(tmp_path / "a.bmp")
    assert np.unique(read_image(tmp_path / "a.bmp", (28, 28, 1))).tolist() == [10, 80, 160, 250]


def test_files_of_another_format_in_a_folder(tmp_path):
    """flow_from_directory finds no TIFF files, and says nothing of the formats that it reads.

    Source: keras-team/keras#7904. Right: TIFF is read; other files are counted, and broken ones named with the reason.
    """
    for label in ("cats", "dogs"):
        (tmp_path / label).mkdir()
        for i in range(3):
            Image.fromarray(GRADIENT.astype(np.uint8)).save(tmp_path / label / f"{i}.TIF")
    (tmp_path / "cats" / "notes.txt").write_text("none")
    (tmp_path / "dogs" / "empty.png").write_bytes(b"")
    data = read_folder(tmp_path)
    assert len(data) == 6
    assert any("files that are not images: .txt (1)" in note for note in data.origin.notes)
    ((path, reason),) = data.origin.skipped
    assert path.endswith("empty.png")
    assert "not an image of a known format" in reason


def test_a_download_of_mnist_that_has_broken_off(tmp_path):
    """mnist.load_data() fails with "EOFError: Compressed file ended before the end-of-stream marker was reached".

    Source: keras-team/keras#2572. Right: the message names the file.
    """
    whole = gzip.compress(bytes(16 + 28 * 28 * 10))
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((FileError, DataError), match=r"(train|t10k)-(images|labels)-idx\d-ubyte"):
        mnist(data_dir=tmp_path)
