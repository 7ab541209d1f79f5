"""axe-core finds nothing on any tab: in light and dark mode, on a phone, and in a page that is enlarged to 200 %."""

from __future__ import annotations

import os

import pytest
from conftest import SEVEN, draw, open_tab, tab_names, wait_for_predictions

# Best practices beyond WCAG, such as the order of headings, are checked too.
OPTIONS = {"resultTypes": ["violations"]}


@pytest.fixture(scope="module")
def axe():
    """axe-core, from a package on PyPI that contains it."""
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        if os.environ.get("CI"):
            pytest.fail("axe-playwright-python is not installed: the accessibility of the page cannot be tested")
        pytest.skip("axe-playwright-python is not installed: the accessibility of the page is not tested")
    return Axe()


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [(1280, 900, "light"), (1280, 900, "dark"), (360, 740, "light"), (640, 450, "dark")],  # the last one: 1280 × 900 at 200 %
)
def test_axe_finds_nothing_on_any_tab(open_page, mnist_folder, axe, width, height, scheme):
    page = open_page(width=width, height=height, scheme=scheme)
    wait_for_predictions(page, "–", "–")
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    found = []
    for tab in tab_names():
        open_tab(page, tab)
        for one in axe.run(page, options=OPTIONS).response["violations"]:
            found += [f"{tab}: {one['id']}: {node['target']}: {node['failureSummary']}" for node in one["nodes"]]
    assert found == []
