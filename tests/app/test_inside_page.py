"""The tab Inside in a browser."""

from __future__ import annotations

import re

import numpy as np
import pytest
from conftest import SEVEN, draw, wait_for_predictions


@pytest.mark.parametrize("name", ["mlp-small", "cnn-fast"])
def test_activations_and_connections_are_drawn(open_page, name):
    page = open_page()
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    page.get_by_role("tab", name="Inside").click()
    page.locator("#inside select").select_option(name)
    page.wait_for_function("() => document.querySelector('#inside').dataset.answered")
    page.wait_for_timeout(100)
    colours = page.evaluate("""() => {
        const canvas = document.querySelector('.diagram canvas'), found = {plus: 0, minus: 0};
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        for (let i = 0; i < data.length; i += 4) {
            if (data[i] > data[i + 2] + 60) found.plus++;
            if (data[i + 2] > data[i] + 60) found.minus++;
        }
        return found;
    }""")
    assert min(colours.values()) > 500, "lines for positive and for negative weights"
    assert page.locator(".maps canvas").count() == (5 if name == "cnn-fast" else 0)
    page.locator(".diagram canvas").scroll_into_view_if_needed()
    frame = page.locator(".diagram canvas").bounding_box()
    text = ""
    for fraction in np.linspace(0.1, 0.9, 161):  # move down until the pointer is on a connection
        page.mouse.move(frame["x"] + 0.55 * frame["width"], frame["y"] + fraction * frame["height"])
        text = page.locator(".tip").inner_text() if page.locator(".tip").is_visible() else ""
        if "×" in text:
            break
    weight, activation, product = (float(number) for number in re.findall(r"-?\d+\.\d+", text))
    assert weight * activation == pytest.approx(product, abs=2e-3), text
