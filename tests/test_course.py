"""The course in docs/course: the code of its lessons runs at a small size, and its answers are computed again.

``make notebooks`` and ``make test-long`` run the lessons at the sizes that are on the pages, and compare what they print.
"""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest

import pellucid.data
from pellucid import (
    GELU,
    SGD,
    Adam,
    Attention,
    CrossEntropy,
    Dense,
    LayerNorm,
    MeanSquaredError,
    OneCycle,
    Perceptron,
    Sequential,
)
from pellucid.data.planar import blobs
from pellucid.data.sources.documentation import documentation, words
from pellucid.data.text import split_lines, split_windows
from pellucid.optim.schedules import Clock

FOLDER = Path(__file__).parent.parent / "docs" / "course"
LESSONS = sorted(path.stem for path in FOLDER.glob("*.md") if path.stem != "index")
SIZES = {
    "1-linear-classifiers": {"PASSES": 2, "EPOCHS": 1},
    "2-backpropagation": {"SAMPLES, HIDDEN": "100, 8", "STEPS": 2, "EPOCHS": 1},
    "3-overfitting": {"SAMPLES, EPOCHS, HIDDEN": "50, 2, 8"},
    "4-optimizers": {"SAMPLES, EPOCHS": "100, 1"},
    "5-convolutions": {"SAMPLES, EPOCHS": "100, 1"},
    "6-tables": {"ROWS": 100, "EPOCHS": 2, "TRIALS": 2},
    "7-recurrent-networks": {"EPOCHS": 1, "SAMPLES, PASSES": "100, 1"},
    "8-attention": {"CONTEXT, WIDTH, BLOCKS, HEADS, STEPS": "32, 8, 2, 4, 2", "QUICK": 1},
}


def page(lesson: str) -> str:
    return (FOLDER / f"{lesson}.md").read_text(encoding="utf-8")


def blocks(lesson: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page(lesson), re.DOTALL)


def answer(lesson: str, number: int) -> str:
    """Return the answer to a question, in one line."""
    (found,) = re.findall(rf"^\*\*{number}\.\*\*.*?</summary>\n(.*?)</details>", page(lesson), re.DOTALL | re.MULTILINE)
    return " ".join(found.split())


def run(lesson: str, count: int | None = None) -> dict:
    """Run the first ``count`` blocks of a lesson at a small size, and return the names that they define."""
    space: dict = {"__name__": lesson}
    for block in blocks(lesson)[:count]:
        for name, value in SIZES[lesson].items():
            block = re.sub(rf"^{name} = .*$", f"{name} = {value}", block, flags=re.MULTILINE)
        exec(compile(block, f"{lesson}.md", "exec", dont_inherit=True), space)
    return space


@pytest.fixture
def few_data(small_mnist, monkeypatch):
    """Replace the data sets by small ones that need no network."""
    whole = pellucid.data.mnist()
    few = dataclasses.replace(whole, train=whole.train.limit(1000), validation=whole.validation.limit(100))
    text = documentation()[:20_000]
    monkeypatch.setattr(pellucid.data, "mnist", lambda: few)
    monkeypatch.setattr(pellucid.data, "tinyshakespeare", lambda context: split_windows(text, context))
    monkeypatch.setattr(pellucid.data, "names", lambda: split_lines(words()[:300]))


def test_there_are_eight_lessons_with_all_their_parts():
    assert len(LESSONS) == 8
    index = (FOLDER / "index.md").read_text(encoding="utf-8")
    for number, lesson in enumerate(LESSONS, 1):
        text = page(lesson)
        assert text.startswith(f"# {number}. ")
        for part in ("**Aims.**", "**Reading.**", "Source", "## The experiment", "**Change**", "pellucid lab run"):
            assert part in text or (part == "pellucid lab run" and lesson == "6-tables"), f"{lesson}: {part}"
        assert re.findall(r"^\*\*(\d)\.\*\*", text, re.MULTILINE) == list("12345")
        assert text.count("<details><summary>Answer</summary>") == text.count("</details>") == 5
        minutes = sum(int(one) for one in re.findall(r"^\| (\d+) \|", text.partition("**Reading.**")[0], re.MULTILINE))
        assert 60 <= minutes <= 90
        assert re.search(rf"\({re.escape(lesson)}\.md\) \|.*\| {minutes} \|", index), f"{lesson}: the index has other minutes"


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_code_of_a_lesson_runs(few_data, lesson, capsys):
    for name in SIZES[lesson]:
        assert sum(len(re.findall(rf"^{name} = ", block, re.MULTILINE)) for block in blocks(lesson)) == 1, name
    run(lesson)
    assert capsys.readouterr().out


def test_the_answers_on_linear_classifiers():
    lesson = "1-linear-classifiers"
    points = blobs(200, 0.6, classes=2)
    assert {Perceptron(rate).fit(points.x, points.y).updates for rate in (0.001, 1.0, 1000.0)} == {4}
    assert "All three make 4 mistakes" in answer(lesson, 2)
    overlapping = blobs(200, 0.8, classes=2)
    never = Perceptron().fit(overlapping.x, overlapping.y, max_epochs=1000)
    assert f"{never.updates:,} mistakes in 1,000 passes, {never.mistakes[-1]} in the last one" in page(lesson)
    assert f"{784 * 10 + 10:,}" in answer(lesson, 4)


def test_the_answers_on_backpropagation(few_data):
    lesson = "2-backpropagation"
    assert f"{784 * 32 + 32 + 32 * 10 + 10:,} parameters and two passes for each: {2 * 25450:,}" in answer(lesson, 3)
    space = run(lesson, 1)
    start = [space[name] for name in ("W1", "b1", "W2", "b2")]
    *others, last = space["gradients"]([np.zeros_like(array) for array in start], space["x"], space["y"])
    assert last.any()
    assert not any(gradient.any() for gradient in others)
    for array, gradient in zip(start, space["gradients"](start, space["x"], space["y"]), strict=True):
        place, costs = np.unravel_index(np.abs(gradient).argmax(), gradient.shape), []
        for step in (1e-5, -2e-5):
            array[place] += step
            costs.append(space["loss"](start, space["x"], space["y"]))
        assert gradient[place] == pytest.approx((costs[0] - costs[1]) / 2e-5, rel=1e-4)
    assert f"√(1000/10) = {math.sqrt(100):g} times" in answer(lesson, 5)


def test_the_answers_on_overfitting():
    error = 100 * math.sqrt(0.89 * 0.11 / 5000)
    assert f"√(p(1−p)/n) = {error:.2f} percentage points" in answer("3-overfitting", 2)
    assert f"± {1.96 * error:.1f} points" in answer("3-overfitting", 2)
    assert f"{784 * 256 + 256 + 256 * 10 + 10:,} parameters" in page("3-overfitting")


def test_the_answers_on_optimizers():
    lesson = "4-optimizers"
    assert f"e^{{−12.149}} = {math.exp(-12.149):.7f}" in answer(lesson, 3)
    count = 784 * 128 + 128 + 128 * 128 + 128 + 128 * 10 + 10
    assert f"{5000 // 50 * 4}. Steps of about ±1 for each of {count:,} parameters" in answer(lesson, 4)
    for slope in (0.5, 0.0005):  # one step of Adam on a loss with this slope
        model = Sequential(Dense(1, bias=False)).compile((1,), MeanSquaredError(), Adam(0.001))
        weight = model.weights["dense1.W"]
        before = weight.copy()
        _, pullback = model.forward(np.ones((1, 1)))
        model.update(pullback(np.full((1, 1), slope)))
        assert before - weight == pytest.approx(0.001, rel=1e-3)
    rates = [OneCycle(0.001).at(Clock.of_update(1, done, 100, 4)) for done in range(400)]
    assert 0.4 < np.mean(rates) / 0.001 < 0.6


def test_the_answers_on_convolutions(few_data):
    lesson = "5-convolutions"
    model = run(lesson, 1)["models"]["convolutional"]
    sizes = [
        model.weights[f"{path}.W"].size + model.weights[f"{path}.b"].size for path in ("conv2d1", "conv2d2", "dense1", "dense2")
    ]
    for size in (*sizes, model.parameter_count):
        assert f"{size:,}" in answer(lesson, 1)
    for products in (24 * 24 * 8 * 25, 8 * 8 * 16 * 200, 256 * 40, 40 * 10):
        assert f"{products:,}" in answer(lesson, 5)
    assert "330,640 multiply-adds" in str(model.summary())
    assert "The sum is 330,640" in answer(lesson, 5)
    front = Sequential(*model.network.layers[:6]).compile((28, 28, 1), MeanSquaredError(), seed=0)
    maps, pullback = front.forward(np.random.default_rng(0).random((100, 28, 28, 1)))
    shown = " → ".join("×".join(map(str, shape)) for shape in [maps.shape[1:]]).replace("×", " × ")
    assert shown in answer(lesson, 2)
    one = np.zeros_like(maps)
    one[:, 1, 1] = 1
    rows = np.flatnonzero(pullback(one).x.any(axis=(0, 2, 3)))
    assert rows[-1] - rows[0] + 1 == 16
    assert answer(lesson, 3).startswith("16 × 16 pixels")


def test_the_answers_on_tables():
    lesson = "6-tables"
    assert f"σ √(2/π) = {30_000 * math.sqrt(2 / math.pi):,.0f}" in answer(lesson, 2)
    spread = 30_000 * math.sqrt((1 - 2 / math.pi) / 200)
    assert f"it varies by some {round(spread, -2):,.0f}" in answer(lesson, 2)
    chances = np.cumsum([math.comb(50, k) / 2**50 for k in range(51)]) ** 30
    best = np.diff(np.concatenate([[0], chances])) @ np.arange(51) / 50
    assert f"independent guesses has {best:.0%} on average".replace("%", " %") in answer(lesson, 3)
    assert f"deviation of {50 / math.sqrt(50):.0f} points" in answer(lesson, 3)
    assert f"the deviation is {50 / math.sqrt(1000):.1f} points" in answer(lesson, 3)
    assert f"√(0.9 · 0.1/200) = {100 * math.sqrt(0.09 / 200):.1f} points" in answer(lesson, 5)


def test_the_answers_on_recurrent_networks(few_data):
    lesson = "7-recurrent-networks"
    assert f"= {(4.6e-6 / 2.4e-2) ** (1 / 40):.2f}." in answer(lesson, 1)
    for loss, choices, bits in ((3.296, "27", "4.75"), (2.463, "11.7", "3.55"), (2.097, "8.1", "3.03")):
        assert f"e^{{{loss}}} = {choices}" in answer(lesson, 4)
        assert math.exp(loss) == pytest.approx(float(choices), abs=0.05)
        assert loss / math.log(2) == pytest.approx(float(bits), abs=0.01)
        assert bits in answer(lesson, 4)
    assert math.log(27) == pytest.approx(3.296, abs=5e-4)
    from pellucid import GRU, Embedding, Softmax

    model = Sequential(Embedding(27, 24), GRU(64, return_sequences=True), Dense(27), Softmax()).compile((16,), CrossEntropy())
    sizes = {path.partition(".")[0]: 0 for path in model.weights}
    for path, array in model.weights.items():
        sizes[path.partition(".")[0]] += array.size
    for size in (*sizes.values(), model.parameter_count):
        assert f"{size:,}" in answer(lesson, 5) + page(lesson)


def test_the_answers_on_attention():
    lesson = "8-attention"
    block = Sequential(Attention(4, causal=True)).compile((32, 64), MeanSquaredError()).parameter_count
    dense = Sequential(Dense(256), GELU(), Dense(64)).compile((32, 64), MeanSquaredError()).parameter_count
    norm = Sequential(LayerNorm()).compile((32, 64), MeanSquaredError(), SGD()).parameter_count
    total = 65 * 64 + 32 * 64 + 2 * (block + dense + 2 * norm) + norm
    for number in (block, dense, 2 * norm, block + dense + 2 * norm, total):
        assert f"{number:,}" in answer(lesson, 1)
    assert f"2.064/log 2 = {2.064 / math.log(2):.2f}" in answer(lesson, 3)
    assert f"log 65 = {math.log(65):.3f}" in answer(lesson, 3)


@pytest.mark.long
@pytest.mark.parametrize("lesson", LESSONS)
def test_the_numbers_of_a_lesson_are_those_of_its_code(lesson, capsys, tmp_path, monkeypatch):
    """Run a lesson as it is printed, on the published data, and find the numbers that it prints on its page."""
    monkeypatch.chdir(tmp_path)
    needed = {"7-recurrent-networks": pellucid.data.names, "8-attention": pellucid.data.tinyshakespeare}
    if lesson != "6-tables":
        data = needed.get(lesson, pellucid.data.mnist)()
        if re.search("offline|5k", data.name):
            pytest.skip("the published data is neither here nor can it be downloaded")
    monkeypatch.setitem(SIZES, lesson, {})
    run(lesson)
    printed = capsys.readouterr().out
    numbers = {number.rstrip(".,") for number in re.findall(r"(?<![\w.])\d[\d,]*\.\d{2,3}(?![\d.e]| ?%)", printed)}
    text = re.sub(r"```.*?```", "", page(lesson), flags=re.DOTALL)
    missing = {number for number in numbers if number not in text}
    assert len(numbers) >= 2 or lesson in ("1-linear-classifiers", "5-convolutions")
    assert not missing, f"{lesson}: the page has other numbers than its code prints: {missing}\n{printed}"
