"""axe-core finds nothing on any tab: in light and dark mode, on a phone, and in a page that is enlarged to 200 %."""

from __future__ import annotations

import pytest
from conftest import SEVEN, draw, open_tab, tab_names, wait_for_predictions


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [(1280, 900, "light"), (1280, 900, "dark"), (360, 740, "light"), (640, 450, "dark")],  # the last one: 1280 × 900 at 200 %
)
def test_axe_finds_nothing_on_any_tab(open_page, mnist_folder, axe_findings, width, height, scheme):
    page = open_page(width=width, height=height, scheme=scheme)
    wait_for_predictions(page, "–", "–")
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    found = []
    for tab in tab_names():
        open_tab(page, tab)
        found += [f"{tab}: {finding}" for finding in axe_findings(page)]
    assert found == []


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_axe_finds_nothing_in_what_is_opened(open_page, mnist_folder, axe_findings, width, scheme):
    page = open_page(width=width, height=740, scheme=scheme)
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    open_tab(page, "Inside")
    page.locator("[data-stage=conv2d2] .map-buttons button").first.click()
    page.locator(".patch-table").first.wait_for()
    page.locator(".unit-digits li >> nth=7").wait_for()
    assert axe_findings(page) == []
    open_tab(page, "Why")
    page.get_by_text("More methods").click()
    page.locator("[data-method=grad-cam] dd").first.wait_for()
    assert axe_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
