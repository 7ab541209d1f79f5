"""The tab Inside in a browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
from conftest import SEVEN, draw, settle, until, wait_for_predictions

COLOURS = """() => {
    const canvas = document.querySelector('.diagram canvas'), found = {plus: 0, minus: 0};
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    for (let i = 0; i < data.length; i += 4) {
        if (data[i] > data[i + 2] + 60) found.plus++;
        if (data[i + 2] > data[i] + 60) found.minus++;
    }
    return found;
}"""

# Chooses a network, and forgets that the tab has answered for the one before, with nothing in between.
CHOOSE = """(name) => {
    const section = document.querySelector('#inside'), select = section.querySelector('select');
    delete section.dataset.answered;
    select.value = name;
    select.dispatchEvent(new Event('change'));
}"""


@pytest.fixture
def opened(open_page):
    """A function that opens the tab with a drawing and one of the networks."""

    def opened(name, **how):
        page = open_page(**how)
        draw(page, SEVEN)
        wait_for_predictions(page, "7", "7")
        page.get_by_role("tab", name="Inside").click()
        answered = "() => document.querySelector('#inside').dataset.answered"
        page.wait_for_function(answered)  # of the network that comes first
        page.evaluate(CHOOSE, name)
        page.wait_for_function(answered)
        settle(page)  # before, the lines of the other network may be there
        assert min(page.evaluate(COLOURS).values()) > 500, "lines for positive and for negative weights"
        return page

    return opened


def coloured(page) -> int:
    """Return the number of pixels of the diagram in the colors of lines."""
    return sum(page.evaluate(COLOURS).values())


def point_at(page, pattern, across=None):
    """Move the pointer through the diagram, down or at half its height, until its tip has the pattern; return the tip."""
    page.locator(".diagram canvas").scroll_into_view_if_needed()
    frame = page.locator(".diagram canvas").bounding_box()
    for fraction in np.linspace(0.05, 0.95, 181):
        x, y = (fraction, 0.5) if across is None else (across, fraction)
        page.mouse.move(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"])
        text = page.locator(".tip").inner_text() if page.locator(".tip").is_visible() else ""
        if re.search(pattern, text):
            return text
    raise AssertionError(f"no tip with {pattern!r}")


@pytest.mark.parametrize("name", ["mlp-small", "cnn-fast"])
def test_activations_and_connections_are_drawn(opened, name):
    page = opened(name)
    assert page.locator(".maps figure").count() == (5 if name == "cnn-fast" else 0)
    text = point_at(page, "×", 0.55)
    weight, activation, product = (float(number) for number in re.findall(r"-?\d+\.\d+", text))
    assert weight * activation == pytest.approx(product, abs=2e-3), text


def test_the_convolutional_network_comes_first(open_page):
    page = open_page("#inside")
    page.wait_for_function("() => document.querySelectorAll('#inside option').length === 2")
    assert page.locator("#inside option").all_inner_texts() == ["cnn-fast", "mlp-small"]
    assert page.locator("#inside select").input_value() == "cnn-fast"
    assert "Try:" in page.locator("#inside .try").inner_text()


def test_only_the_lines_of_the_neuron_under_the_pointer_are_drawn(opened):
    page = opened("cnn-fast")
    before = coloured(page)
    width = page.locator(".diagram canvas").bounding_box()["width"]
    point_at(page, "^output “7”: ", (width - 62) / width)
    until(lambda: 50 < coloured(page) < 0.7 * before)


def test_the_keyboard_shows_the_lines_of_one_neuron_and_opens_it(opened):
    page = opened("cnn-fast")
    before = coloured(page)
    page.locator(".diagram canvas").focus()
    page.keyboard.press("ArrowDown")
    until(lambda: 50 < coloured(page) < 0.7 * before)
    page.keyboard.press("Enter")
    assert page.locator(".unit h3").inner_text() == "Neuron 0 of dense1"


def test_a_map_opens_with_the_computation_of_its_numbers(opened):
    page = opened("cnn-fast")
    page.locator("[data-stage=conv2d1] .map-buttons button").nth(3).click()
    page.locator(".patch-table").first.wait_for()
    assert page.locator(".unit h3").inner_text() == "Map 3 of conv2d1"
    pixels, kernel, products = (
        [float(text.replace("−", "-")) for text in table.locator("td").all_inner_texts()]
        for table in page.locator(".patch-table").all()
    )
    np.testing.assert_allclose(np.multiply(pixels, kernel), products, atol=0.02)
    numbers = [float(text.replace("−", "-")) for text in page.locator(".patch > p strong").all_inner_texts()]
    assert numbers[0] == pytest.approx(sum(products), abs=0.05)
    assert numbers[-1] == pytest.approx(max(numbers[-2], 0)), "ReLU"
    where = page.locator(".enlarged p").inner_text()
    assert float(where.split(": ")[1].replace("−", "-")) == numbers[-1]
    page.locator(".enlarged canvas").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator(".enlarged p").inner_text() != where
    page.locator(".enlarged canvas").hover(position={"x": 5, "y": 5})
    assert page.locator(".enlarged p").inner_text().startswith("Row 0, column 0")


def test_a_filter_of_several_maps_shows_what_each_contributes(opened):
    page = opened("cnn-fast", width=360, height=740)
    page.locator("[data-stage=conv2d2] .map-buttons button").nth(0).click()
    page.locator(".channels").wait_for()
    parts = [float(text.split(": ")[1].replace("−", "-")) for text in page.locator(".channels > *").all_inner_texts()]
    lines = page.locator(".patch > p").all_inner_texts()
    total = next(line for line in lines if line.startswith("All 16 maps together"))
    assert sum(parts) == pytest.approx(float(total.split(": ")[1].rstrip(".").replace("−", "-")), abs=0.02)
    page.locator(".channels button").nth(1).click()
    chosen = page.locator(".channels button").nth(1)
    assert chosen.get_attribute("aria-pressed") == "true"
    assert chosen.inner_text().split(":")[0] in page.locator(".patch-table caption").first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_maps_are_opened_and_closed_with_the_keyboard(opened, mnist_folder):
    page = opened("cnn-fast")
    assert page.locator("[data-stage=conv2d1] .map-buttons button[tabindex='0']").count() == 1, "one tab stop for each layer"
    page.locator("[data-stage=conv2d1] .map-buttons button").first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.locator(".unit-looks > div > canvas").wait_for()
    page.locator(".unit-digits li >> nth=7").wait_for()
    assert page.locator(".unit h3").inner_text() == "Map 1 of conv2d1"
    assert page.evaluate("document.activeElement.tagName") == "H3", "the panel has the focus"
    assert page.locator(".unit-digits .frame").count() == 8
    page.get_by_role("button", name="Next unit").click()
    assert page.locator(".unit h3").inner_text() == "Map 2 of conv2d1"
    page.keyboard.press("Escape")
    assert page.locator(".unit").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "map 2 of conv2d1"


def test_a_neuron_opens_with_its_weights(opened, mnist_folder):
    page = opened("mlp-small")
    point_at(page, r"^dense1, neuron \d+: ")
    page.mouse.down()
    page.mouse.up()
    page.wait_for_function("() => document.querySelectorAll('.unit-looks > div > canvas').length === 2")
    assert page.locator(".unit h4").all_inner_texts() == ["Its weights", "What it looks for", "Digits that excite it most"]


def test_the_arrow_keys_go_from_neuron_to_neuron(opened):
    page = opened("mlp-small")
    canvas, tip = page.locator(".diagram canvas"), page.locator(".tip")
    canvas.focus()
    texts = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowLeft", "ArrowDown"):
        page.keyboard.press(key)
        settle(page)
        texts.append(tip.inner_text())
    assert [text.split(":")[0] for text in texts[:4]] == [f"output “{digit}”" for digit in "0101"]
    layer, neurons = zip(*(re.match(r"(.*), neuron (\d+): -?[\d.]+$", text).groups() for text in texts[4:6]), strict=True)
    assert layer == ("dense1", "dense1")
    assert int(neurons[1]) == int(neurons[0]) - 1
    pixels = [[int(number) for number in re.match(r"pixel in row (\d+), column (\d+)", text).groups()] for text in texts[6:]]
    assert pixels[1] == [pixels[0][0] + 1, pixels[0][1]]
    page.keyboard.press("Escape")
    assert tip.is_hidden()
