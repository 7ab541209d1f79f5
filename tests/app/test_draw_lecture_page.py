"""Lecture mode: a pad and bars that fill the screen, by a button and by an address."""

from __future__ import annotations

import pytest
from conftest import SEVEN, draw, wait_for_predictions


@pytest.mark.parametrize(("width", "height", "scheme"), [(1920, 1080, "light"), (1366, 768, "dark")])
def test_it_fills_the_screen(open_page, width, height, scheme):
    page = open_page("#draw?lecture", width=width, height=height, scheme=scheme)
    wait_for_predictions(page, "–", "–")
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    assert page.locator(".pad canvas").bounding_box()["height"] > 0.7 * height
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [width, height]
    for text, fraction in ((".prediction .label", 0.12), (".bars .probability", 0.02), (".prediction .comment", 0.025)):
        size = page.locator(text).first.evaluate("(element) => parseFloat(getComputedStyle(element).fontSize)")
        assert size >= fraction * height, text
    for card in page.locator(".prediction").all():
        box = card.bounding_box()
        assert 0 <= box["y"] <= height - box["height"]
        assert card.evaluate("(one) => one.scrollHeight <= one.clientHeight && one.scrollWidth <= one.clientWidth"), (
            "all is inside"
        )
    assert not page.get_by_role("tablist").is_visible()


def test_a_button_enters_and_escape_leaves(open_page):
    page = open_page()
    wait_for_predictions(page, "–", "–")
    page.get_by_role("button", name="Lecture mode").click()
    page.wait_for_function("() => document.body.classList.contains('lecture')")
    assert page.url.endswith("#draw?lecture")
    page.keyboard.press("Escape")
    page.get_by_role("tablist").wait_for()
    assert page.url.endswith("#draw")
    page.get_by_role("button", name="Lecture mode").click()
    page.get_by_role("button", name="Leave").click()
    page.get_by_role("tablist").wait_for()
    page.evaluate("location.hash = '#draw?lecture'")
    page.wait_for_function("() => document.body.classList.contains('lecture')")
    page.evaluate("document.dispatchEvent(new Event('fullscreenchange'))")  # the full screen of before has ended only now
    assert page.evaluate("document.body.classList.contains('lecture')")
    page.evaluate("location.hash = '#train'")
    page.get_by_role("tablist").wait_for()
