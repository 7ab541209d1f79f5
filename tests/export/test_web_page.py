"""Web pages of networks in Chromium: they compute what the model predicts, request nothing, and can be used by everybody."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pellucid import (
    Accuracy,
    BinaryCrossEntropy,
    ConfigError,
    Conv2D,
    CrossEntropy,
    Dense,
    Embedding,
    FileError,
    Flatten,
    GaussianNLL,
    GlobalAveragePool1D,
    Graph,
    Hinge,
    MaxPool2D,
    MeanSquaredError,
    Model,
    Node,
    Quantile,
    ReLU,
    Rescale,
    Reshape,
    Sequential,
    Sigmoid,
    Softmax,
)
from pellucid.cli import application
from pellucid.data import digit, read_csv, read_image, read_series
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.input_stage import ImageScaling
from pellucid.export.web_page import scripts
from pellucid.export.web_page.description import MAP_COLORS, describe_input, describe_output
from pellucid.plots.class_maps import CLASS_COLORS
from pellucid.runs.folder import RunFolder
from tests.browser import draw, settle

BOUND = 1e-5
SCREENSHOTS = Path(__file__).parents[2] / "runs" / "screenshots"  # to be checked by eye
SEVEN = [[[250, 200], [500, 190], [750, 200], [600, 500], [450, 850]]]
ZERO = [[[500, 150], [330, 250], [270, 500], [330, 750], [500, 850], [670, 750], [730, 500], [670, 250], [500, 150]]]
HOSTILE = ("</script><script>window.bad=1</script>", "<img src=x onerror=bad>", "a & \"b\" 'c' ${d}`\u2028")


@pytest.fixture
def open_file(pages) -> Iterator[Callable[..., object]]:
    """A function that opens a page: ``open_file(path, width=360, scheme="dark")``.

    At the end of the test, there must have been no errors on the console, and no request but that for the file itself.
    """
    problems: list[str] = []

    def opened(path: Path, **options):
        listeners = {
            "console": lambda message: message.type in ("error", "warning") and problems.append(message.text),
            "pageerror": lambda error: problems.append(str(error)),
            "request": lambda request: request.url == path.as_uri() or problems.append(request.url),
        }
        return pages.open(path.as_uri(), listeners, **options)

    yield opened
    pages.end_test()
    assert problems == []


# -- models of each kind, with random weights ----------------------------------------------------------------------------------


def with_spread(model: Model) -> Model:
    """Return the model with weights that give outputs far from each other, so that a mistake in an input changes them."""
    model.parameters[...] *= 2
    return model


def digits_model(classes=CLASSES) -> Model:
    network = Sequential(Conv2D(4, 5), ReLU(), MaxPool2D(4), Flatten(), Dense(len(classes)), Softmax())
    return with_spread(network.compile((28, 28, 1), CrossEntropy(), classes=classes, input_stage=ImageScaling()))


def pictures_model(channels: int, *, invert: bool = False) -> Model:
    network = Sequential(Flatten(), Dense(3), Softmax())
    stage = ImageScaling(invert_light_background=invert)
    model = network.compile((12, 16, channels), CrossEntropy(), classes=("cat", "dog", "bird"), input_stage=stage)
    return with_spread(model)


def table_model(folder: Path, target: str, missing: str = "mean") -> Model:
    random = np.random.default_rng(0)
    rows = ["age,city,stamp,buys,cost"]
    for i in range(60):
        age = "" if missing == "mean" and i % 9 == 4 else str(random.integers(18, 80))
        city, buys = random.choice(["Graz", "Linz", "Wien"], p=[0.2, 0.2, 0.6]), random.choice(["no", "yes"])
        rows.append(f"{age},{city},{1_700_000_000 + random.integers(0, 10_000)},{buys},{random.normal(50_000, 9_000):.2f}")
    (folder / "table.csv").write_text("\n".join(rows))
    other = {"buys": "cost", "cost": "buys"}[target]
    data = read_csv(folder / "table.csv", target, missing=missing, ignore=[other])
    if target == "buys":
        network = Sequential(Dense(8), ReLU(), Dense(2), Softmax())
        model = network.compile((5,), CrossEntropy(), metrics=[Accuracy()])
    else:
        model = Sequential(Dense(8), ReLU(), Dense(1), Rescale(9_000.0, 50_000.0)).compile((5,), MeanSquaredError())
    model.fit(data, epochs=1, batch_size=20, progress=False)
    return model


def series_model(folder: Path) -> Model:
    random = np.random.default_rng(0)
    rows = [f"{random.normal(20, 5):.2f},{random.choice(['dry', 'wet'])},{random.normal():.3f}" for _ in range(120)]
    (folder / "series.csv").write_text("\n".join(["heat,sky,wind", *rows]))
    splits = read_series(folder / "series.csv", ["heat", "wind"], window=4, horizon=3, missing="last")
    network = Sequential(Flatten(), Dense(6), Reshape((3, 2)))
    model = network.compile((4, 4), MeanSquaredError())
    model.fit(splits.train, epochs=1, progress=False)
    return model


def export(model: Model, path: Path, **options) -> Path:
    model.export_html(path, **options)
    return path


def outputs_of(page) -> np.ndarray:
    return np.array(page.evaluate("[...pellucid.outputs]"))


def input_of(page) -> np.ndarray:
    return np.array(page.evaluate("[...pellucid.input]"))


def shown_bars(page) -> dict[str, str]:
    names, values = (page.locator(f".bars .{kind}").all_inner_texts() for kind in ("name", "value"))
    return dict(zip(names, values, strict=True))


def percent(p: float) -> str:
    return f"{100 * p:.1f} %"


# -- digits --------------------------------------------------------------------------------------------------------------------


def test_a_drawn_digit_gets_the_probabilities_that_the_model_predicts(open_file, tmp_path):
    model = digits_model()
    page = open_file(export(model, tmp_path / "digits.html"))
    draw(page, SEVEN)
    page.wait_for_function("() => pellucid.outputs !== null && document.querySelector('.verdict strong').textContent")
    settle(page)
    strokes = page.evaluate("pellucid.strokes")
    assert sum(map(len, strokes)) > 10
    image = input_of(page).reshape(28, 28, 1).astype(np.uint8)
    assert np.abs(image.astype(int) - digit(strokes)).max() <= 1, "the same picture but for rounding"
    (expected,) = model.predict(image[None])
    assert np.abs(outputs_of(page) - expected).max() < BOUND
    assert shown_bars(page) == {name: percent(p) for name, p in zip(CLASSES, expected, strict=True)}
    first = CLASSES[expected.argmax()]
    assert page.locator(".verdict strong").inner_text() == ("✗" if first == CLASSES[-1] else first)
    pixels = page.evaluate("[...document.querySelector('.seen canvas').getContext('2d').getImageData(0, 0, 28, 28).data]")
    assert (np.reshape(pixels, (28, 28, 4))[..., :1] == image).all(), "the picture that the network receives is shown"


def test_strokes_become_the_same_picture_as_in_python(open_file, tmp_path):
    page = open_file(export(digits_model(), tmp_path / "digits.html"))
    random = np.random.default_rng(1)
    walk = [np.cumsum(random.normal(0, 9, (n, 2)), axis=0).round(3).tolist() for n in (2, 3, 7, 40, 200)]
    trembling = [(np.array(ZERO[0]) + random.normal(0, 12, (9, 2))).tolist()]
    drawings = [
        SEVEN, ZERO, trembling, *([one] for one in walk), walk, [[[5, 5]]], [[[5, 5], [5, 5]]], [[[0, 0], [9, 0]]],
        [[[0, 0]], [[9, 3]]], [[[1, 1], [1, 1], [5, 9], [5, 9], [2, 2]]], [random.uniform(0, 1000, (400, 2)).tolist()],
    ]  # fmt: skip
    for drawing in drawings:
        image = np.reshape(page.evaluate("(strokes) => [...pellucid.digit(strokes)]", drawing), (28, 28, 1))
        assert np.abs(image - digit(drawing).astype(int)).max() <= 1, drawing


def test_undo_clear_keys_and_fingers(open_file, tmp_path):
    page = open_file(export(digits_model(), tmp_path / "digits.html"), width=360, height=740, touch=True)
    strong, strokes = page.locator(".verdict strong"), "() => pellucid.strokes.length"
    draw(page, ZERO, touch=True)
    page.wait_for_function("() => document.querySelector('.verdict strong').textContent")
    assert page.evaluate("window.scrollY") == 0, "drawing does not scroll"
    draw(page, [[[100, 100], [900, 900]]], touch=True)
    assert page.evaluate(strokes) == 2
    page.get_by_role("button", name="Undo").click()
    assert page.evaluate(strokes) == 1
    page.get_by_role("button", name="Clear").click()
    page.get_by_text("Draw a digit.").first.wait_for()
    assert strong.inner_text() == ""
    page.locator(".pad canvas").focus()
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 16 + [" "]:
        page.keyboard.press(key)
    page.wait_for_function("() => document.querySelector('.verdict strong').textContent")
    assert page.evaluate(strokes) == 1
    page.keyboard.press("Control+z")
    page.get_by_text("Draw a digit.").first.wait_for()


def test_pictures_of_digits_become_what_digit_makes_of_them(open_file, tmp_path):
    model = digits_model()
    page = open_file(export(model, tmp_path / "digits.html"))
    random = np.random.default_rng(2)

    def ink(h, w, *, paper=0, dark=255, strokes=3):
        image = (paper + random.integers(0, 5, (h, w))).astype(np.uint8)
        for _ in range(strokes):  # of uneven ink: otherwise the centre of mass may be exactly between two pixels
            row, column = random.integers(2, h - 3), random.integers(2, w - 3)
            part = image[row : row + max(2, h // 9), column : column + max(2, w // 7)]
            part[...] = dark + (1 if dark < paper else -1) * random.integers(0, 30, part.shape)
        return image

    pictures = {
        "wide.png": ink(40, 90), "paper.png": ink(120, 70, paper=240, dark=20), "small.png": ink(9, 11),
        "faint.png": ink(50, 50, paper=120, dark=170), "same.png": ink(28, 28), "light.png": ink(28, 28, paper=250, dark=3),
        "one.png": ink(64, 64, strokes=1), "odd.png": ink(31, 29, paper=200, dark=90),
    }  # fmt: skip
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(tmp_path / name)
        page.locator("input[type=file]").set_input_files(tmp_path / name)
        page.get_by_text(f"the ink of {name}").wait_for()
        expected = pixels[..., None] if name == "same.png" else digit(pixels)
        image = input_of(page).reshape(28, 28, 1).astype(np.uint8)
        assert np.abs(image - expected.astype(int)).max() <= (0 if name == "same.png" else 1), name
        assert np.abs(outputs_of(page) - model.predict(image[None])[0]).max() < BOUND
    drop(page, tmp_path / "one.png")
    page.get_by_text("the ink of one.png").wait_for()
    draw(page, SEVEN)
    page.get_by_text("the drawing with even strokes").wait_for()
    settle(page)  # the text is there from the first points on
    assert np.abs(input_of(page) - digit(page.evaluate("pellucid.strokes")).ravel().astype(int)).max() <= 1
    Image.fromarray(np.full((30, 30), 200, np.uint8)).save(tmp_path / "empty.png")
    (tmp_path / "text.png").write_bytes(b"not a picture")
    for name, problem in (("empty.png", "this picture is empty"), ("text.png", "not a picture that the browser can decode")):
        page.locator("input[type=file]").set_input_files(tmp_path / name)
        page.locator(".verdict", has_text=problem).wait_for()
        assert page.evaluate("pellucid.strokes.length") == 0
    page.locator("input[type=file]").set_input_files(tmp_path / "one.png")
    page.get_by_text("the ink of one.png").wait_for()
    page.get_by_role("button", name="Clear").click()
    page.locator(".verdict", has_text="Draw a digit.").wait_for()


@pytest.mark.parametrize(("width", "height"), [(360, 740), (740, 360), (640, 450)])
def test_the_verdict_is_in_view_below_the_pad(width, height, open_file, tmp_path):
    page = open_file(export(digits_model(), tmp_path / "digits.html"), width=width, height=height)
    pad, verdict = (page.locator(one).bounding_box() for one in (".pad canvas", ".verdict"))
    assert pad["height"] <= 0.55 * height + 1
    assert pad["y"] + pad["height"] <= verdict["y"]
    assert verdict["y"] + verdict["height"] <= height


def test_digits_without_class_names_are_drawn_too():
    model = Sequential(Flatten(), Dense(10), Softmax()).compile((28, 28, 1), CrossEntropy(), input_stage=ImageScaling())
    assert describe_input(model._trained_network())["kind"] == "drawing"
    fashion = digits_model(("shirt", "shoe", "bag"))
    assert describe_input(fashion._trained_network())["kind"] == "pictures"


# -- tables and series ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["buys", "cost"])
def test_a_form_gets_the_answer_that_the_model_predicts(target, open_file, tmp_path):
    model = table_model(tmp_path, target)
    page = open_file(export(model, tmp_path / "form.html"))
    assert page.get_by_label("city").input_value() == "=Wien", "the most frequent category"
    mean = model.input_stage.mean[0]
    assert abs(float(page.get_by_label("age").input_value()) - mean) < 1

    def check(values: dict[str, str], row: list[float]) -> None:
        for name, value in values.items():
            field = page.get_by_label(name, exact=True)
            field.select_option(value) if name == "city" else field.fill(value)
        settle(page)
        assert np.array_equal(input_of(page), row, equal_nan=True)
        (expected,) = model.predict(np.array([row]))
        assert np.abs(outputs_of(page) - expected).max() < BOUND * max(1, np.abs(expected).max())
        if target == "buys":
            assert shown_bars(page) == {name: percent(p) for name, p in zip(("no", "yes"), expected, strict=True)}
        else:
            assert page.locator(".verdict strong").inner_text() == f"{expected[0]:,.0f}"

    check({"age": "33", "city": "=Linz", "stamp": "1700004321"}, [33, 0, 1, 0, 1_700_004_321])
    check({"age": "33,5", "city": "another value"}, [33.5, 0, 0, 0, 1_700_004_321])
    nan = float("nan")
    check({"age": "", "city": "missing", "stamp": "NA"}, [nan, nan, nan, nan, nan])
    page.get_by_label("age").fill("old")
    page.get_by_text("age must be a number, got “old”.").first.wait_for()
    assert page.get_by_label("age").get_attribute("aria-invalid") == "true"
    page.get_by_role("button", name="Start values").click()
    page.wait_for_function("() => document.querySelector('.verdict strong').textContent")
    assert page.get_by_label("age").get_attribute("aria-invalid") is None


def test_a_form_without_missing_values_refuses_empty_fields(open_file, tmp_path):
    page = open_file(export(table_model(tmp_path, "buys", missing="error"), tmp_path / "form.html"))
    page.get_by_label("stamp").fill("")
    page.get_by_text("stamp is missing.").first.wait_for()
    assert page.get_by_label("city").locator("option").all_inner_texts() == ["Graz", "Linz", "Wien", "(another value)"]


def test_a_series_gets_the_forecast_that_the_model_predicts(open_file, tmp_path):
    model = series_model(tmp_path)
    page = open_file(export(model, tmp_path / "series.html"))
    box = page.get_by_label("The last 4 rows")
    box.fill("20.5,wet,0.1\n21,dry,\n\n19;dry;-1\n18.25\tdry\t2,5")
    page.wait_for_function("() => pellucid.input?.[0] === 20.5")
    expected_input = [20.5, 0, 1, 0.1, 21, 1, 0, 0.1, 19, 1, 0, -1, 18.25, 1, 0, 2.5]
    assert input_of(page).tolist() == expected_input
    (expected,) = model.predict(np.array(expected_input).reshape(1, 4, 4))
    assert np.abs(outputs_of(page).reshape(3, 2) - expected).max() < BOUND * np.abs(expected).max()
    assert page.locator("thead th").all_inner_texts()[:3] == ["row", "heat", "wind"]
    assert len(page.locator(".numeric tbody tr").all()) == 3
    for text, message in (
        ("1,dry,2", "The network reads 4 rows; there are 1."),
        ("a,dry,1\n" * 4, "Row 1: heat must be a number"),
    ):
        box.fill(text)
        page.get_by_text(message).first.wait_for()


# -- pictures ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "invert"), [(3, False), (1, False), (1, True)])
def test_pictures_become_the_inputs_that_read_image_gives(channels, invert, open_file, tmp_path):
    model = pictures_model(channels, invert=invert)
    page = open_file(export(model, tmp_path / "pictures.html"))
    random = np.random.default_rng(0)
    sizes = {"wide.png": (40, 31), "tall.png": (13, 57), "small.png": (5, 3), "same.png": (16, 12), "line.png": (90, 1)}
    for name, (w, h) in sizes.items():
        light = random.integers(0, 256, (h, w, 3), np.uint8)
        light[[0, -1]], light[:, [0, -1]] = 250, 250
        Image.fromarray(light if name != "tall.png" else 255 - light).save(tmp_path / name)
        page.locator("input[type=file]").set_input_files(tmp_path / name)
        page.locator(".pictures article p", has_text=name).wait_for()
        expected = read_image(tmp_path / name, model.input_shape, invert_light_background=invert)
        actual = input_of(page).reshape(model.input_shape)
        assert (actual == expected).all(), f"{name}: {np.abs(actual - expected).max()}"
        (outputs,) = model.predict(expected[None])
        assert np.abs(outputs_of(page) - outputs).max() < BOUND
        pixels = page.evaluate(
            "[...document.querySelector('.pictures canvas').getContext('2d').getImageData(0, 0, 16, 12).data]"
        )
        assert (np.reshape(pixels, (12, 16, 4))[..., :3] == np.broadcast_to(expected, (12, 16, 3))).all()


def test_photographs_are_nearly_those_that_read_image_gives(open_file, tmp_path):
    """JPEG files with the orientation of a camera, and transparent parts: the decoders of browsers round differently."""
    model = pictures_model(3)
    page = open_file(export(model, tmp_path / "pictures.html"))
    rows, columns = np.mgrid[0:60, 0:80]
    smooth = np.stack([3 * rows, 3 * columns, rows + columns], axis=-1).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    Image.fromarray(smooth).save(tmp_path / "photo.jpg", quality=95, exif=exif)
    alpha = np.concatenate([smooth, (2 * rows + 20)[..., None].astype(np.uint8)], axis=-1)
    Image.fromarray(alpha).save(tmp_path / "alpha.png")
    alpha[..., :3] = 255  # white ink, which would be unseen on white
    Image.fromarray(alpha).save(tmp_path / "ink.png")
    for name in ("photo.jpg", "alpha.png", "ink.png"):
        page.locator("input[type=file]").set_input_files(tmp_path / name)
        page.locator(".pictures article p", has_text=name).wait_for()
        expected = read_image(tmp_path / name, model.input_shape, invert_light_background=False)
        assert np.abs(input_of(page).reshape(model.input_shape) - expected).max() <= 4, name


def test_several_pictures_and_files_that_are_none(open_file, tmp_path):
    page = open_file(export(pictures_model(1), tmp_path / "pictures.html"))
    for name in ("a.png", "b.png"):
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / name)
    (tmp_path / "c.png").write_bytes(b"not a picture")
    page.locator("input[type=file]").set_input_files([tmp_path / name for name in ("a.png", "b.png", "c.png")])
    page.get_by_text("3 pictures.").wait_for()
    assert [text.split("\n")[0] for text in page.locator(".pictures article").all_inner_texts()] == ["c.png", "b.png", "a.png"]
    page.get_by_text("Not read: this is not a picture that the browser can decode.").wait_for()


def drop(page, path: Path) -> None:
    """Drop a file on the page."""
    page.evaluate(
        """([content, name]) => {
          const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0)), transfer = new DataTransfer();
          transfer.items.add(new File([bytes], name, {type: "image/png"}));
          document.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
        }""",
        [base64.b64encode(path.read_bytes()).decode(), path.name],
    )


def test_a_picture_is_dropped(open_file, tmp_path):
    page = open_file(export(pictures_model(3), tmp_path / "pictures.html"))
    Image.fromarray(np.full((12, 16, 3), 200, np.uint8)).save(tmp_path / "dropped.png")
    drop(page, tmp_path / "dropped.png")
    page.locator(".pictures article p", has_text="dropped.png").wait_for()
    assert set(input_of(page)) == {200}


# -- class maps ----------------------------------------------------------------------------------------------------------------


def maps_model(classes=3, channels=1, *layers) -> Model:
    last = (Conv2D(classes, 1), Softmax()) if classes > 1 else (Conv2D(1, 1), Sigmoid())
    network = Sequential(Conv2D(5, 3, padding="same"), ReLU(), *layers, *last)
    loss = CrossEntropy() if classes > 1 else BinaryCrossEntropy()
    names = ("ground", *(f"thing {i}" for i in range(1, max(2, classes))))
    return with_spread(network.compile((12, 16, channels), loss, classes=names, input_stage=ImageScaling()))


@pytest.mark.parametrize(("classes", "channels", "layers"), [(4, 1, ()), (1, 3, ()), (3, 3, (MaxPool2D(2),)), (12, 1, ())])
def test_a_map_has_the_class_of_each_pixel(classes, channels, layers, open_file, tmp_path):
    model = maps_model(classes, channels, *layers)
    picture = np.random.default_rng(0).integers(0, 256, (12, 16, channels), np.uint8)
    if classes == 1:  # both classes are on the map
        model.weights["conv2d2.b"][...] -= np.median(model.predict(picture[None], logits=True))
    page = open_file(export(model, tmp_path / "maps.html"))
    Image.fromarray(picture[..., 0] if channels == 1 else picture).save(tmp_path / "scene.png")
    page.locator("input[type=file]").set_input_files(tmp_path / "scene.png")
    page.locator(".legend li").first.wait_for()
    (expected,) = model.predict(picture[None])
    assert np.abs(outputs_of(page).reshape(expected.shape) - expected).max() < BOUND
    labels = (expected[..., 0] > 0.5).astype(int) if classes == 1 else expected.argmax(axis=-1)
    names, shares = (page.locator(f".legend .{one}").all_inner_texts() for one in ("name", "value"))
    counts = np.bincount(labels.ravel(), minlength=len(model.classes))
    assert dict(zip(names, shares, strict=True)) == {
        name: percent(count / labels.size) for name, count in zip(model.classes, counts, strict=True) if count
    }
    assert len(names) > 1
    colors = describe_output(model._trained_network(), model.state.loss)["colors"]
    assert len(set(colors)) == len(model.classes)
    colors = np.array([[int(one[i : i + 2], 16) for i in (1, 3, 5)] for one in colors])
    large = labels.repeat(12 // len(labels), axis=0).repeat(16 // labels.shape[1], axis=1)
    pixels = page.evaluate("[...document.querySelectorAll('.map canvas')[1].getContext('2d').getImageData(0, 0, 16, 12).data]")
    assert np.abs(np.reshape(pixels, (12, 16, 4))[..., :3] - (0.6 * colors[large] + 0.4 * picture)).max() <= 0.5 + 1e-9
    page.locator(".map canvas").nth(1).scroll_into_view_if_needed()
    box = page.locator(".map canvas").nth(1).bounding_box()
    page.mouse.move(box["x"] + 5.5 / 16 * box["width"], box["y"] + 9.5 / 12 * box["height"])
    label = large[9, 5]
    scale = 12 // len(labels)
    p = expected[9 // scale, 5 // scale]
    text = f"Row 10, column 6: {model.classes[label]}, {percent(p[label] if classes > 1 else p[0] if label else 1 - p[0])}."
    assert page.locator(".map + p").inner_text() == text


def test_maps_have_the_colors_of_the_figures():
    assert MAP_COLORS == CLASS_COLORS


# -- numbers and tokens --------------------------------------------------------------------------------------------------------


def test_numbers_are_typed(open_file, tmp_path):
    model = with_spread(Sequential(Dense(3)).compile((4,), MeanSquaredError()))
    page = open_file(export(model, tmp_path / "numbers.html"))
    box = page.get_by_label("One sample")
    box.fill("1, 2.5\n-3e-1; −4")
    page.wait_for_function("() => pellucid.input?.[1] === 2.5")
    expected = model.predict(np.array([[1, 2.5, -0.3, -4]]))[0]
    assert np.abs(outputs_of(page) - expected).max() < BOUND * max(1, np.abs(expected).max())
    assert page.locator(".numeric tbody th").all_inner_texts() == ["output 1", "output 2", "output 3"]
    for text, message in (
        ("1 2", "One sample is 4 numbers; there are 2."),
        ("1 2 x 4", "Number 3 is “x”, which is not a number."),
    ):
        box.fill(text)
        page.get_by_text(message).first.wait_for()


def test_tokens_are_typed(open_file, tmp_path):
    network = Sequential(Embedding(20, 4), GlobalAveragePool1D(), Dense(2), Softmax())
    model = with_spread(network.compile((5,), CrossEntropy(), classes=("comedy", "tragedy")))
    page = open_file(export(model, tmp_path / "tokens.html"))
    box = page.get_by_label("One sample")
    box.fill("3 19 0 7 7")
    page.wait_for_function("() => pellucid.input?.[0] === 3")
    assert np.abs(outputs_of(page) - model.predict(np.array([[3, 19, 0, 7, 7]]))[0]).max() < BOUND
    box.fill("3 20 0 7 7")
    page.get_by_text("Token 2 is 20; tokens are integers from 0 to 19.").first.wait_for()


# -- what is shown of the outputs ----------------------------------------------------------------------------------------------


def output(network, loss, shape=(4,), **options) -> dict:
    model = network.compile(shape, loss, **options)
    return describe_output(model._trained_network(), None if loss is None else model.state.loss)


def test_outputs_are_described_as_predict_prints_them():
    two = Sequential(Dense(2), Softmax())
    assert output(two, CrossEntropy()) == {"kind": "classes", "names": ["0", "1"], "probabilities": True, "single": False}
    assert output(two, None)["kind"] == "classes"
    single = output(Sequential(Dense(1), Sigmoid()), BinaryCrossEntropy(), classes=("no", "yes"))
    assert single == {"kind": "classes", "names": ["no", "yes"], "probabilities": True, "single": True}
    assert output(Sequential(Dense(1)), Hinge())["probabilities"] is False
    labels = output(Sequential(Dense(3), Sigmoid()), BinaryCrossEntropy(), classes=("a", "b", "c"))
    assert labels == {"kind": "labels", "names": ["a", "b", "c"]}
    assert output(Sequential(Dense(2)), MeanSquaredError())["names"] == ["output 1", "output 2"]
    assert output(Sequential(Dense(1)), MeanSquaredError())["names"] == ["output"]
    assert output(Sequential(Dense(2)), Quantile((0.1, 0.5)))["names"] == ["output, 10 % quantile", "output, 50 % quantile"]
    assert output(Sequential(Dense(2)), GaussianNLL())["names"] == ["output, mean", "output, logarithm of the variance"]


def test_single_probabilities_and_scores_become_two_classes(open_file, tmp_path):
    for name, network, loss in (
        ("p", Sequential(Dense(1), Sigmoid()), BinaryCrossEntropy()),
        ("z", Sequential(Dense(1)), Hinge()),
    ):
        model = network.compile((1,), loss, classes=("no", "yes"))
        model.parameters[...] = 0
        model.weights["dense1.W"][...] = -2
        page = open_file(export(model, tmp_path / f"{name}.html"))
        page.get_by_label("One sample").fill("1")
        page.wait_for_function("() => pellucid.input?.[0] === 1")
        p = 1 / (1 + np.exp(2))
        assert shown_bars(page) == (
            {"no": percent(1 - p), "yes": percent(p)} if name == "p" else {"no": "2.000", "yes": "-2.000"}
        )
        assert page.locator(".verdict strong").inner_text() == "no"


def test_of_many_classes_the_most_probable_are_listed(open_file, tmp_path):
    names = tuple(f"class {i}" for i in range(40))
    model = with_spread(Sequential(Dense(40), Softmax()).compile((3,), CrossEntropy(), classes=names))
    page = open_file(export(model, tmp_path / "many.html"))
    page.get_by_label("One sample").fill("1 -2 3")
    page.wait_for_function("() => pellucid.input?.[0] === 1")
    p = model.predict(np.array([[1.0, -2, 3]]))[0]
    assert list(shown_bars(page)) == [names[i] for i in np.argsort(-p)[:12]]


def test_several_targets_have_their_names(tmp_path):
    table = "\n".join(["size,price,rent", *(f"{i},{3 * i}.5,{i * i}.25" for i in range(40))])
    (tmp_path / "flats.csv").write_text(table, encoding="utf-8")
    data = read_csv(tmp_path / "flats.csv", ["price", "rent"])
    for outputs, loss, names in (
        (2, MeanSquaredError(), ["price", "rent"]),
        (4, GaussianNLL(), [f"{one}, {what}" for what in ("mean", "logarithm of the variance") for one in ("price", "rent")]),
    ):
        model = Sequential(Dense(outputs)).compile((1,), loss, input_stage=data.input_stage())
        assert describe_output(model._trained_network(), loss)["names"] == names


# -- the file ------------------------------------------------------------------------------------------------------------------


def all_pages(folder: Path) -> dict[str, Path]:
    models = {
        "digits": digits_model(),
        "form": table_model(folder, "buys"),
        "series": series_model(folder),
        "pictures": pictures_model(3),
        "maps": maps_model(4),
        "numbers": Sequential(Dense(3)).compile((4,), MeanSquaredError()),
    }
    card = {"Accuracy": "98.3 % on the test set", "Command": "pellucid train mnist --model mlp --optimizer sgd --lr 0.04"}
    return {name: export(model, folder / f"{name}.html", title=name.title(), card=card) for name, model in models.items()}


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [
        (360, 740, "dark"),
        pytest.param(1280, 900, "light", marks=pytest.mark.long),
        pytest.param(640, 450, "light", marks=pytest.mark.long),
    ],
)
def test_no_page_scrolls_sideways_or_is_hard_to_use(width, height, scheme, open_file, axe_findings, tmp_path):
    """Of the windows, one is that of a phone, and one that of a page that is enlarged to 200 %."""
    for name, path in all_pages(tmp_path).items():
        page = open_file(path, width=width, height=height, scheme=scheme)
        if name == "digits":
            draw(page, SEVEN)
        if name in ("pictures", "maps"):
            Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "black.png")
            page.locator("input[type=file]").set_input_files(tmp_path / "black.png")
            page.locator(".pictures article").wait_for()
        page.locator("summary").click()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert axe_findings(page) == [], name
        assert page.locator(".about dd").all_inner_texts()[1:] == [
            "98.3 % on the test set", "pellucid train mnist --model mlp --optimizer sgd --lr 0.04",
        ]  # fmt: skip


@pytest.mark.long
def test_light_and_dark_pages_for_the_eye(open_file, tmp_path):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for name, path in all_pages(tmp_path).items():
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 360)):
            page = open_file(path, width=width, height=740, scheme=scheme)
            if name == "digits":
                draw(page, SEVEN)
            page.screenshot(path=SCREENSHOTS / f"export-{name}-{scheme}-{width}.png", full_page=True)
            grounds = {"light": "rgb(244, 246, 248)", "dark": "rgb(18, 24, 31)"}
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == grounds[scheme]


def test_the_page_has_only_the_parts_that_it_needs(tmp_path):
    texts = {name: path.read_text(encoding="utf-8") for name, path in all_pages(tmp_path).items()}
    for word, pages in {"createPad": {"digits"}, "lanczos": {"pictures", "maps"}, "createField": {"form"}}.items():
        assert {name for name, text in texts.items() if word in text} == pages, word
    for text in texts.values():
        assert not re.search(r"^(import|export) ", text, re.MULTILINE)
        assert not re.search(r"(src|href)=\"(?!data:)", text), "nothing is loaded"


def test_the_browser_itself_forbids_requests(pages, tmp_path):
    path = export(digits_model(), tmp_path / "digits.html")
    page = pages.open(path.as_uri(), {})
    refused = "fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => String(error))"
    assert "Failed to fetch" in page.evaluate(refused)
    policy = page.locator("meta[http-equiv]").get_attribute("content")
    assert policy.startswith("default-src 'none'; ")
    text = path.read_text(encoding="utf-8")
    for tag in ("script", "style"):
        content = re.search(rf"<{tag}(?: type=\"module\")?>(.*?)</{tag}>", text, re.DOTALL)[1]
        assert f"{tag}-src 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy


def test_names_are_text_whatever_is_in_them(open_file, tmp_path):
    model = Sequential(Dense(3), Softmax()).compile((2,), CrossEntropy(), classes=HOSTILE)
    path = export(model, tmp_path / "hostile.html", title=HOSTILE[0], card={HOSTILE[1]: HOSTILE[2]})
    page = open_file(path)
    assert list(shown_bars(page)) == list(HOSTILE)
    assert page.title() == HOSTILE[0]
    assert page.locator("h1").inner_text() == HOSTILE[0]
    assert page.evaluate("window.bad") is None
    assert page.locator(".about dt").all_inner_texts()[-1] == HOSTILE[1]


def test_weights_of_16_bits_need_half_the_space(open_file, tmp_path):
    """Nothing is lost: numbers that 16 bits hold are stored in them, the small ones below 2⁻¹⁴ too."""
    model = Sequential(Dense(500, bias=False)).compile((30,), MeanSquaredError())
    model.parameters[:2] = 1e-12, 1e12
    with np.errstate(all="raise"):  # as a program may have set it
        whole = export(model, tmp_path / "whole.html").stat().st_size
    random = np.random.default_rng(0)
    values = random.normal(0, 1, model.parameters.size) * 2.0 ** random.integers(-28, 8, model.parameters.size)
    values[:4] = [65504, -65504, 2**-24, -(2**-14)]
    model.parameters[...] = values.astype(np.float16)
    page = open_file(export(model, tmp_path / "half.html"))
    assert (tmp_path / "half.html").stat().st_size < 0.5 * whole + 30_000
    for i in (0, 7, 29):
        page.get_by_label("One sample").fill(" ".join("1" if j == i else "0" for j in range(30)))
        page.wait_for_function(f"() => pellucid.input?.[{i}] === 1")
        assert (outputs_of(page) == model.weights["dense1.W"][i]).all()


def test_equal_models_give_equal_pages(tmp_path):
    first, second = (export(digits_model(), tmp_path / name, title="Digits").read_bytes() for name in ("a.html", "b.html"))
    assert first == second


def test_only_an_earlier_export_is_replaced(tmp_path):
    path = export(digits_model(), tmp_path / "digits.html")
    export(digits_model(), path, title="Again")
    assert "<title>Again</title>" in path.read_text(encoding="utf-8")
    (tmp_path / "own.html").write_text("<p>my page")
    with pytest.raises(FileError, match=r"own\.html exists and was not written by export_html"):
        digits_model().export_html(tmp_path / "own.html")
    with pytest.raises(ConfigError, match=r"the name of a web page ends with \.html"):
        digits_model().export_html(tmp_path / "digits.js")


def test_networks_that_have_no_page_are_refused_by_name(tmp_path):
    two = Graph(Node("a", Dense(2), "left"), Node("b", Dense(2), "right"), inputs=("left", "right"), outputs=("a", "b"))
    model = two.compile({"left": (3,), "right": (2,)}, {"a": MeanSquaredError(), "b": MeanSquaredError()})
    with pytest.raises(ConfigError, match="needs a network with one input and one output; this one has 2 inputs and 2 outputs"):
        model.export_html(tmp_path / "two.html")
    with pytest.raises(ConfigError, match=r"2 inputs \(left, right\) and 2 outputs \(a, b\)"):
        describe_input(model._trained_network())
    maps = Sequential(Conv2D(3, 1), Softmax()).compile((8, 8, 1), CrossEntropy())
    with pytest.raises(ConfigError, match=r"predicts a class at each of \(8, 8\) positions"):
        maps.export_html(tmp_path / "maps.html")
    labels = Sequential(Conv2D(3, 1), Sigmoid()).compile((8, 8, 1), BinaryCrossEntropy(), input_stage=ImageScaling())
    with pytest.raises(ConfigError, match=r"predicts a class at each of \(8, 8\) positions"):
        labels.export_html(tmp_path / "labels.html")
    images = Sequential(Conv2D(1, 1)).compile((28, 28, 1), MeanSquaredError(), input_stage=ImageScaling())
    with pytest.raises(ConfigError, match=r"predicts a number at each of \(28, 28\) positions"):
        images.export_html(tmp_path / "images.html")
    bytes_ = Sequential(Dense(2)).compile((5,), MeanSquaredError(), input_stage=ImageScaling())
    with pytest.raises(ConfigError, match=r"bytes of the shape \(5,\), and the page takes pictures"):
        bytes_.export_html(tmp_path / "bytes.html")
    large = Sequential(Flatten(), Dense(1)).compile((400, 400), MeanSquaredError())
    with pytest.raises(ConfigError, match=r"160,000 real numbers, more than anybody types"):
        large.export_html(tmp_path / "large.html")
    assert not list(tmp_path.iterdir())


# -- the command, and the scripts ----------------------------------------------------------------------------------------------


def test_the_command_writes_the_page_of_a_run_with_its_card(tmp_path):
    folder = RunFolder(tmp_path / "my-run.2", "my-run")
    settings = {"data": "mnist", "model": "mlp", "epochs": 3, "limit": 4000}
    settings |= {"data_dir": "/home/me/mnist", "corrections": "/home/me/corrections"}
    model = digits_model()
    folder.write_config({"preset": "mlp", "settings": settings, **model.config()})
    sizes = {"train": 55_000, "validation": 5_000, "test": 10_000}
    folder.write_metrics({"data": {"name": "mnist", "sizes": sizes}, "test": {"accuracy": 0.983, "loss": 0.05}, "epochs": 3})
    folder.save_model(model)
    result = CliRunner().invoke(application(), ["export", str(folder.path), "--html", str(tmp_path / "digits.html")])
    assert result.exit_code == 0, result.output
    assert re.search(r"digits\.html \(\d+\.\d kB\): open it in a browser", result.output)
    text = (tmp_path / "digits.html").read_text(encoding="utf-8")
    assert "<title>my-run.2</title>" in text
    card = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text))
    assert card["Trained on"] == "4,000 samples of mnist", "the data set has 55,000; the run is limited"
    assert card["Quality"].startswith("accuracy 98.30 %")
    assert card["Quality"].endswith("measured on 10,000 test samples")
    assert card["Command"] == "pellucid train mnist --model mlp --epochs 3 --limit 4000 --corrections corrections"
    assert "/home/me" not in text, "a page is for others"
    file = CliRunner().invoke(
        application(), ["export", str(folder.path / "model.pellucid"), "--html", str(tmp_path / "m.html")]
    )
    assert file.exit_code == 0, file.output


def test_modules_are_joined_in_the_order_of_their_imports():
    generated = {
        "first": 'import {a} from "./second.js";\nimport {b} from "./third.js";\nuse(a, b);',
        "second": 'import {b} from "./third.js";\nconst own = 1;\nexport const a = b + own;',
        "third": "const own = 2;\nexport function b() {}\nexport class C {}",
    }
    assert list(scripts.needed("first", generated)) == ["third", "second", "first"]
    text = scripts.joined("first", generated)
    assert "return {b, C};" in text
    assert "const {b} = module_third;" in text
    assert "import" not in text
    assert "export" not in text


def test_no_script_ends_the_element_that_it_is_in():
    folder = Path(scripts.__file__).parent
    files = sorted(folder.glob("*.js"))
    assert len(files) > 10
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"</script|<!--", text, re.IGNORECASE), path.name
        statements = [line for line in text.splitlines() if line.startswith(("import ", "export "))]
        known = re.compile(r'import \{[^}]*\} from "\./[\w-]+\.js";|export ((async )?function|const|class) \w+.*')
        assert all(known.fullmatch(line) for line in statements), path.name
