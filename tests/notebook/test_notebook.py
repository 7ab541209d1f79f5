"""Views in notebooks: well-formed HTML without scripts, with the right values, for light and dark pages."""

from __future__ import annotations

import base64
import io
import json
import math
import pickle
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from pellucid import (
    Accuracy,
    ConfusionMatrix,
    CrossEntropy,
    Dense,
    Ensemble,
    Flatten,
    Frozen,
    History,
    MeanSquaredError,
    Precision,
    RateSearch,
    ReLU,
    Residual,
    Sequential,
    Softmax,
    notebook,
    wilson,
)
from pellucid.data import Dataset, Splits, from_arrays
from pellucid.explain import Attribution
from pellucid.lab import Table, Verdict
from pellucid.notebook.charts import ticks
from pellucid.training.evaluation import Evaluation

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 6, 5, 1), np.uint8)
PETS = Dataset(IMAGES, np.arange(30) % 3, classes=("<cat>", "dog", "owl"), name="pets & co")
TABLE = from_arrays(np.arange(60.0).reshape(6, 10), np.arange(6.0), names=["a<b", *"cdefghijk"], name="table")
ROWS = [
    {"epoch": k, "seconds": 1.5, "train_loss": 1 / k, "train_accuracy": k / 4, "train_recall_0": 0.5, "validation_loss": loss}
    for k, loss in enumerate([0.9, 0.5, 0.7], start=1)
]
SEARCH = RateSearch(np.geomspace(1e-4, 1, 5), np.array([2, 1.5, 1, 2, 9.0]), np.array([2, 1.6, 1, 2, 8.0]), 0.002, True)


def model():
    network = Sequential(Flatten(), Dense(4), ReLU(), Dense(3), Softmax())
    return network.compile(input_shape=(6, 5, 1), loss=CrossEntropy(), metrics=[Accuracy()], classes=PETS.classes)


def attribution(shape=(2, 4, 3, 1), against=None):
    values = np.linspace(-1, 1, math.prod(shape)).reshape(shape).astype(np.float32)
    return Attribution("saliency", values, np.ones(2), np.zeros(2), np.array([1, 2]), against, complete=False)


SHOWN = {  # one row for each object with a view
    "model": model,
    "a network with a branch": lambda: Sequential(Residual(Dense(3)), Dense(1)).compile(
        input_shape=(3,), loss=MeanSquaredError()
    ),
    "images": lambda: PETS,
    "a table": lambda: TABLE,
    "other samples": lambda: Dataset(np.zeros((3, 2, 2)), None),
    "splits": lambda: Splits(PETS, PETS, PETS, "<pets>", "a folder", "00"),
    "history": lambda: History(ROWS),
    "one epoch": lambda: History(ROWS[:1]),
    "a long history": lambda: History([{"epoch": k, "train_loss": 1.0} for k in range(1, 100)]),
    "no history": History,
    "an evaluation": lambda: model().evaluate(PETS, metrics=[Accuracy(), Precision(), ConfusionMatrix()]),
    "values at the steps of a series": lambda: Evaluation({"loss": 1.0, "mae_by_position": np.array([0.5, np.nan, 0.25])}),
    "values in a map": lambda: Evaluation({"loss": 1.0, "accuracy_by_position": np.eye(5)}),
    "class maps": lambda: Dataset(IMAGES, IMAGES[..., 0] // 100, classes=("<a>", "b", "c")),
    "an evaluation of several": lambda: Ensemble([model()]).evaluate(PETS),
    "a range test": lambda: SEARCH,
    "attributions of images": attribution,
    "attributions of numbers": lambda: attribution((2, 5), np.array([0, 1])),
    "a verdict": lambda: Verdict("holds", "3 < 4"),
    "a table of the lab": lambda: Table(("what", "<n>"), (("x & y", "1"),)),
}


class Page(HTMLParser):
    """The elements and texts of a page, in order. Every element must be closed."""

    def __init__(self, page: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"{tag} is closed where it was not open"

    def handle_data(self, data):
        self.texts.append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def shown(thing) -> Page:
    return Page(thing._repr_html_())


@pytest.mark.parametrize("name", SHOWN)
def test_every_view_is_well_formed_and_suits_any_page(name):
    html = SHOWN[name]()._repr_html_()
    page = Page(html)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "style", "link", "iframe", "object"}, "nothing runs, and the rest of the page does not change"
    for tag, attributes in page.tags:
        assert not [key for key in attributes if key.startswith("on") or key in ("id", "class")], (tag, attributes)
        style = (attributes.get("style") or "") + "".join(f"{attributes.get(key)}" for key in ("fill", "stroke"))
        assert not re.search(r"white(?!-space)|black|#fff|#000\b", style), "the page may be light or dark"
    assert all(attributes["alt"] for attributes in page.attributes("img"))
    assert "http" not in html, "nothing is loaded"
    assert len(html) < 30_000


def test_a_model_shows_its_layers():
    page = shown(model())
    assert page.texts[0] == "Model: 139 parameters"
    text = " ".join(page.texts)
    for words in (
        "dense1 Dense(units=4) 4 124",
        "dense2 Dense(units=3) 3 15",
        "total",
        "139",
        "CrossEntropy(), Adam(), Accuracy()",
    ):
        assert words in text
    assert "reads" not in text
    shades = [re.search(r"114,178,([\d.]+)", each["style"]) for each in page.attributes("td")]
    assert [float(shade[1]) for shade in shades if shade] == [0.55, 0.07], "as many as its parameters"
    assert "residual1.dense1, input" in " ".join(shown(SHOWN["a network with a branch"]()).texts)
    frozen = Sequential(Frozen(Dense(2)), Dense(1)).compile(input_shape=(3,), loss=MeanSquaredError())
    assert {"trained", "frozen"} <= set(shown(frozen).texts)


def test_a_history_draws_its_curves():
    page = shown(History(ROWS))
    assert page.texts[0] == "History: 3 epochs, 4.5 s"
    charts = [each for each in page.attributes("svg") if "aria-label" in each]
    assert [each["aria-label"] for each in charts] == [
        "loss over epoch: training, validation, best epoch: 2",
        "accuracy (%) over epoch: training, best epoch: 2",
    ]
    lines = page.attributes("polyline")
    assert [each.get("stroke-dasharray") for each in lines] == [None, "6 4", None], "validation is dashed"
    heights = [float(point.split(",")[1]) for point in lines[0]["points"].split()]
    assert heights == sorted(heights), "a loss that falls goes down, which SVG counts upwards"
    cells = [text for text in page.texts if text.startswith(("2 (", "3 ("))]
    assert cells == ["2 (best)", "3 (last)"]
    assert {"0.5", "50.00 %", "75.00 %"} <= set(page.texts)
    assert {"30", "40", "50", "60", "70"} <= set(page.texts), "accuracies are drawn in percent"
    assert "recall 0" not in " ".join(page.texts), "a score of each class is no curve"
    chosen = History(ROWS, best_epoch=3)
    assert "3 (best and last)" in shown(chosen).texts


def test_an_evaluation_is_a_dictionary():
    model_ = model()
    scores = model_.evaluate(PETS)
    assert isinstance(scores, Evaluation)
    assert scores == dict(scores)
    assert repr(scores) == repr(dict(scores))
    assert json.loads(json.dumps(scores)) == dict(scores)
    again = pickle.loads(pickle.dumps(scores))
    assert (again, again.samples, again.classes) == (scores, 30, PETS.classes)
    low, high = wilson(scores["accuracy"] * 30, 30)
    assert f"{100 * low:.2f} to {100 * high:.2f} %" in shown(scores).texts
    weighted = model_.evaluate(IMAGES, PETS.y, sample_weight=np.arange(30.0))
    assert weighted.samples is None
    assert "95 % interval" not in shown(weighted).texts, "an interval counts samples that are alike"
    assert Ensemble([model_]).evaluate(PETS).samples == 30


def test_an_evaluation_names_classes_and_shades_its_confusion():
    scores = {"loss": 0.25, "recall": np.array([0.5, np.nan]), "confusion_matrix": np.array([[3.0, 1], [0, 4]])}
    page = shown(Evaluation(scores, 8, ("<cat>", "dog")))
    assert page.texts[0] == "Evaluation of 8 samples"
    text = " ".join(page.texts)
    assert "<cat> 50.00 % dog –" in text
    assert "<cat> 3 1 dog 4" in text
    shades = [re.search(r"114,178,([\d.]+)", each["style"]) for each in page.attributes("td")]
    assert [float(shade[1]) for shade in shades if shade] == pytest.approx([0.55 * 0.75**0.5, 0.55 * 0.5, 0.55], abs=0.01)


def test_data_sets_show_their_first_rows():
    page = shown(TABLE)
    assert page.texts[0] == "table: 6 × 10 float64"
    assert page.texts[1:11] == ["a<b", *"cdefghi", "2 more", "target"]
    assert page.texts[11:21] == [*map(str, range(8)), "…", "0"]
    assert len(page.attributes("tr")) == 1 + 5
    splits = shown(Splits(PETS, PETS, PETS, "<pets>", "a folder", "00"))
    assert splits.texts[0] == "<pets>"
    assert {"train", "30", "from a folder"} <= set(splits.texts)
    assert len(splits.attributes("img")) == 1


def test_maps_are_transparent_where_attributions_are_zero():
    page = shown(attribution(against=np.array([0, 0])))
    (image,) = page.attributes("img")
    with Image.open(io.BytesIO(base64.b64decode(image["src"].split(",")[1]))) as decoded:
        drawn = np.asarray(decoded).reshape(4, 2, 3, 4).swapaxes(0, 1)
    values = attribution().values[..., 0]
    assert (drawn[..., 0] > drawn[..., 2]).tolist() == (values > 0).tolist(), "vermilion above zero, blue below"
    most = np.abs(values).max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(drawn[..., 3] / 255, np.sqrt(np.abs(values) / most), atol=0.003)
    assert {"Attribution by saliency: 2 samples", "1 and not 0"} <= set(page.texts)
    assert not shown(attribution((2, 5))).attributes("img")
    with np.errstate(all="raise"):
        Attribution("zero", np.zeros((1, 2, 2, 1)), np.ones(1), np.ones(1), np.zeros(1, int), None, True)._repr_html_()


def test_a_range_test_is_clipped_where_the_loss_explodes():
    page = shown(SEARCH)
    assert page.texts[0] == "Range test: the suggested learning rate is 0.002"
    assert [each["overflow"] for each in page.attributes("svg") if "overflow" in each] == ["hidden"]
    text = " ".join(" ".join(page.texts).split())
    assert "0.0001 0.001 0.01 0.1 1" in text, "the axis is logarithmic"
    assert "the loss exploded at 1" in text


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0.13, 1.28, [0.2, 0.4, 0.6, 0.8, 1, 1.2]),
        (-3, 4, [-2, 0, 2, 4]),
        (1e-9, 2e-9, None),
    ],
)
def test_ticks_are_round(low, high, wanted):
    found = ticks(low, high)
    assert 3 <= len(found) <= 7
    assert all(low <= one <= high * (1 + 1e-9) for one in found)
    if wanted is not None:
        assert found == pytest.approx(wanted)


def test_a_chart_leaves_out_values_that_are_not_finite():
    page = Page(notebook.chart([notebook.Curve("a", [1, 2, 3], [1.0, math.nan, math.inf])], "x", "y"))
    assert len(page.attributes("circle")) == 2, "one point, and the one in the legend"
    assert notebook.chart([notebook.Curve("a", [1], [math.nan])], "x", "y") == ""


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pillow_reads_the_encoded_png(channels):
    pixels = np.random.default_rng(1).integers(0, 256, (7, 9, channels), np.uint8)
    with Image.open(io.BytesIO(notebook.encode_png(pixels))) as image:
        assert (np.asarray(image).reshape(7, 9, channels) == pixels).all()


def test_values_at_positions_are_drawn_and_listed():
    values = {"loss": 1.0, "mae_by_position": np.array([0.5, math.nan, 0.25]), "recall": np.array([1.0, 0.5])}
    page = shown(Evaluation(values, classes=("<a>", "b")))
    text = " ".join(page.texts)
    assert "position mae_by_position 0 0.5 1 – 2 0.25" in text
    assert "class recall <a> 100.00 % b 50.00 %" in text
    assert [attributes["aria-label"] for attributes in page.attributes("svg") if "aria-label" in attributes] == [
        "mae over position: mae"
    ]
    long = shown(Evaluation({"mae_by_position": np.arange(100.0)}))
    assert "99" not in long.texts, "long series are drawn only"
    page = shown(Evaluation({"accuracy_by_position": np.array([[0.25, 1.0], [0.5, math.nan]])}))
    assert "accuracy by position: from 0.25 (pale) to 1 (dark)" in page.texts
    assert not any("predicted" in text for text in page.texts), "not a confusion matrix"


def test_a_data_set_shows_its_class_maps():
    page = shown(Dataset(IMAGES, IMAGES[..., 0] // 100))
    files = [base64.b64decode(attributes["src"].split(",")[1]) for attributes in page.attributes("img")]
    pictures, maps = (np.asarray(Image.open(io.BytesIO(file))) for file in files)
    assert maps.shape == (*pictures.shape[:2], 4)
    np.testing.assert_array_equal(maps[:6, :5, 3], np.rint(20 + 117.5 * (IMAGES[0, ..., 0] // 100)))
    assert "The class maps of these samples: classes 0 to 2, from pale to dark." in page.texts
