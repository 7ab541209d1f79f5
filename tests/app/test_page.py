"""The whole page in a browser: all tabs at two widths, in light and dark mode."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SEVEN, draw, open_tab, settle, tab_names, wait_for_predictions

SCREENSHOTS = Path(__file__).parents[2] / "runs" / "screenshots"  # to be checked by eye


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (360, "dark"),
        pytest.param(1920, "light", marks=pytest.mark.long),
        pytest.param(360, "light", marks=pytest.mark.long),
        pytest.param(1920, "dark", marks=pytest.mark.long),
    ],
)
def test_every_tab_fits_and_names_its_controls(open_page, mnist_folder, width, scheme):
    page = open_page(width=width, scheme=scheme)
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    for tab in tab_names():
        open_tab(page, tab)
        page.locator(f"#{tab.lower()}").wait_for(state="visible")
        settle(page)
        page.screenshot(path=SCREENSHOTS / f"{tab.lower()}-{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{tab} is wider than the screen"
        unnamed = page.evaluate("""() => [...document.querySelectorAll('main :is(button, input, select, textarea, canvas)')]
            .filter((one) => one.checkVisibility() && one.type !== 'hidden')
            .filter((one) => !(one.labels?.length || one.getAttribute('aria-label') || one.getAttribute('aria-labelledby')
                || one.textContent.trim() || one.getAttribute('aria-hidden') || one.matches('button canvas')))
            .map((one) => one.outerHTML.slice(0, 120))""")
        assert unnamed == [], f"{tab}: controls without an accessible name"


def test_tabs_by_keyboard_and_address(open_page):
    page = open_page("#why")
    assert page.get_by_role("tab", name="Why").get_attribute("aria-selected") == "true"
    page.get_by_role("tab", name="Why").focus()
    page.keyboard.press("ArrowLeft")
    page.locator("#inside").wait_for(state="visible")
    page.keyboard.press("End")
    page.locator("#compare").wait_for(state="visible")
    page.keyboard.press("Home")
    page.locator("#draw").wait_for(state="visible")
    assert page.evaluate("document.activeElement.id") == "tab-draw"
    page.go_back()
    page.go_back()
    page.go_back()
    page.locator("#why").wait_for(state="visible")
