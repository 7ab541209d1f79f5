"""The page while its server does not answer, and before there is any network."""

from __future__ import annotations

import pytest
from conftest import LIMIT, SEVEN, draw, wait_for_predictions

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
    page.wait_for_function("() => document.querySelectorAll('link[href*=tabs]').length === 6")  # all tabs are loaded
    page.wait_for_load_state("networkidle")
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    page.context.set_offline(True)
    page.get_by_role("radio", name="as drawn").click()
    page.get_by_role("alert").get_by_text(OFFLINE).wait_for()
    for tab in ("Inside", "Why", "Playground", "Train", "Compare"):
        page.get_by_role("tab", name=tab).click()
        section = page.locator(f"#{tab.lower()}")
        section.wait_for(state="visible")
        assert section.locator(".card").count() > 0, f"{tab} is blank"
    page.context.set_offline(False)
    page.wait_for_function("() => document.querySelector('#offline').textContent === ''")
    page.get_by_role("tab", name="Draw").click()
    draw(page, [[[100, 100], [110, 900]]])  # the drawing is still there, and predictions arrive again
    page.wait_for_function("() => document.querySelectorAll('.prediction .first').length === 2")


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
