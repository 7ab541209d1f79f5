"""The page on a phone, upright and on its side, and enlarged to 200 %: the pad, and the verdict under it."""

from __future__ import annotations

import pytest
from conftest import SEVEN, draw, open_tab, wait_for_predictions

SIZES = [(360, 740), (740, 360), (640, 450)]  # upright; on its side; 1280 × 900 at 200 %


def verdict(page):
    return page.locator(".verdict-line")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_pad_and_the_verdict_are_on_the_first_screen(open_page, width, height):
    page = open_page(width=width, height=height, touch=True)
    wait_for_predictions(page, "–", "–")
    pad = page.locator(".pad canvas").bounding_box()
    assert min(0.85 * width, 0.55 * height) - 1 <= pad["height"] <= 0.55 * height + 1, "as large as fits"
    assert pad["height"] == pytest.approx(pad["width"], abs=1)
    before = verdict(page).bounding_box()
    draw(page, SEVEN, touch=True)
    wait_for_predictions(page, "7", "7")
    page.wait_for_function("() => document.querySelectorAll('.verdict-line strong').length === 2")
    assert verdict(page).locator("strong").all_inner_texts() == ["7", "7"]
    assert verdict(page).bounding_box() == before, "nothing has moved"
    assert before["y"] >= pad["y"] + pad["height"] - 1
    assert before["y"] + before["height"] <= height, "without scrolling"
    assert before["height"] < 45, "one line"
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("tab", "width", "height"), [("Inside", 360, 740), ("Why", 1280, 500)])  # both scroll
def test_the_verdict_stays_in_view(open_page, mnist_folder, tab, width, height):
    page = open_page(width=width, height=height)
    wait_for_predictions(page, "–", "–")
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    open_tab(page, tab)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_function("() => scrollY > 300")
    box = verdict(page).bounding_box()
    assert 0 <= box["y"] <= height - box["height"]
    assert verdict(page).locator("strong").all_inner_texts() == ["7", "7"]


def test_a_swipe_beside_the_pad_scrolls(open_page):
    page = open_page(width=740, height=360, touch=True)
    pad = page.locator(".pad canvas").bounding_box()
    assert pad["x"] > 150, "there is room on both sides"
    session = page.context.new_cdp_session(page)
    for y in range(330, 90, -20):
        session.send(
            "Input.dispatchTouchEvent", {"type": "touchStart" if y == 330 else "touchMove", "touchPoints": [{"x": 200, "y": y}]}
        )
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("() => scrollY > 50")
    assert page.locator(".pad .hint").is_visible(), "nothing was drawn"
