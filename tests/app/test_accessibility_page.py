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
