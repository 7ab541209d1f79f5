"""axe-core finds nothing on any tab: in light and dark mode, on a phone, and in a page that is enlarged to 200 %."""

from __future__ import annotations

import pytest
from conftest import SEVEN, draw, open_tab, settle, tab_names, wait_for_predictions

# 640 × 450 is 1280 × 900 at 200 %. make test has both schemes and both ends of the widths.
LOOKS = [{"width": 1280, "height": 900, "scheme": "dark"}, {"width": 360, "height": 740, "scheme": "light"}]
OTHER_LOOKS = [{"width": 1280, "height": 900, "scheme": "light"}, {"width": 640, "height": 450, "scheme": "dark"}]


def look(page, width: int, height: int, scheme: str) -> None:
    """Change the size and the colors of a page, and wait until it is drawn again. This takes less time than another page."""
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    settle(page)
    assert page.evaluate("[innerWidth, innerHeight, matchMedia('(prefers-color-scheme: dark)').matches]") == [
        width,
        height,
        scheme == "dark",
    ]


@pytest.mark.parametrize("looks", [LOOKS, pytest.param(OTHER_LOOKS, marks=pytest.mark.long)], ids=["usual", "others"])
def test_axe_finds_nothing_on_any_tab(open_page, mnist_folder, axe_findings, looks):
    page = open_page(**looks[0])
    wait_for_predictions(page, "–", "–")
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    found = []
    for tab in tab_names():
        open_tab(page, tab)
        for one in looks:
            look(page, **one)
            found += [f"{tab} {one}: {finding}" for finding in axe_findings(page)]
    assert found == []


def test_axe_finds_nothing_in_what_is_opened(open_page, mnist_folder, axe_findings):
    page = open_page(width=360, height=740, scheme="dark")
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    open_tab(page, "Inside")
    page.locator("[data-stage=conv2d2] .map-buttons button").first.click()
    page.locator(".patch-table").first.wait_for()
    page.locator(".unit-digits li >> nth=7").wait_for()
    looks = [(360, "dark"), (1280, "light")]
    for width, scheme in looks:
        look(page, width, 740, scheme)
        assert axe_findings(page) == []
    open_tab(page, "Why")
    page.get_by_text("More methods").click()
    page.locator("[data-method=grad-cam] dd").first.wait_for()
    for width, scheme in reversed(looks):  # the second one is on already
        look(page, width, 740, scheme)
        assert axe_findings(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
