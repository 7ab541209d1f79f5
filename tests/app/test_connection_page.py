"""The page while its server does not answer, and before there is any network."""

from __future__ import annotations

import pytest
from conftest import LIMIT, SEVEN, ZERO, draw, strokes_of, wait_for_all_tabs, wait_for_predictions

from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.data import Corrections

OFFLINE = "The server does not answer: is pellucid draw still running?"


@pytest.fixture
def page(browser, served):
    """A page whose connection can be cut: ``page.context.set_offline(True)``. Its failed requests are errors on the console."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(1000 * LIMIT)
    page.goto(served)
    yield page
    context.close()


def test_the_page_says_that_the_server_is_gone_and_tries_again(page):
    wait_for_predictions(page, "–", "–")
    wait_for_all_tabs(page)
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    drawn = strokes_of(page)
    page.context.set_offline(True)
    page.get_by_role("radio", name="as drawn").click()
    page.get_by_role("alert").get_by_text(OFFLINE).wait_for()
    for tab in reversed(page.get_by_role("tab").all()):  # the tab Draw, which is shown, comes last
        tab.click()
        section = page.get_by_role("tabpanel", name=tab.inner_text())
        section.wait_for(state="visible")
        assert section.locator(".card:visible").count() > 0, f"{tab.inner_text()} is blank"
    page.context.set_offline(False)
    page.wait_for_function("() => document.querySelector('#offline').textContent === ''")
    assert strokes_of(page) == drawn, "the drawing is still there"
    page.get_by_role("radio", name="centre of mass").click()
    page.get_by_role("button", name="Clear").click()
    wait_for_predictions(page, "–", "–")
    draw(page, ZERO)
    wait_for_predictions(page, "0", "0")  # predictions arrive again


def test_a_tab_that_could_not_be_loaded_is_loaded_when_the_server_is_back(browser, served):
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(1000 * LIMIT)
    blocked = lambda route: route.abort()  # noqa: E731
    for pattern in ("**/tabs/*.js", "**/icon.svg"):
        page.route(pattern, blocked)
    page.goto(served)
    page.get_by_text("This tab could not be loaded.").wait_for()
    page.get_by_role("alert").get_by_text(OFFLINE).wait_for()
    page.unroute("**/tabs/*.js")
    page.unroute("**/icon.svg")
    wait_for_predictions(page, "–", "–")
    context.close()


class TestWithoutNetworks:
    """Before the first network is trained."""

    @pytest.fixture
    def state(self, tmp_path) -> AppState:
        """No networks."""
        return AppState(Networks(), tmp_path / "runs", Corrections(tmp_path / "corrections"))

    def test_the_image_is_shown_before_any_network_does(self, open_page):
        page = open_page()
        draw(page, SEVEN)
        page.wait_for_function("""() => document.querySelector('.network-input').getContext('2d')
            .getImageData(0, 0, 28, 28).data.some((value, i) => i % 4 === 0 && value > 200)""")
        assert "There is no network yet" in page.locator(".verdict-line").inner_text()
        page.get_by_label("The digit you meant").select_option("7")
        page.get_by_role("button", name="Save correction").click()
        page.get_by_text("Saved: 1 correction in").wait_for()
