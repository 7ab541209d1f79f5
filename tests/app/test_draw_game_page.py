"""The game of the tab Draw: points, the clock, its end at any time, and misses that become corrections with consent."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from conftest import SEVEN, ZERO, draw, until, wait_for_predictions


def start(page) -> None:
    wait_for_predictions(page, "–", "–")
    page.get_by_role("button", name="Play: beat both networks").click()
    page.locator(".game-bar").wait_for()


def asked(page) -> str:
    return page.locator(".asked").inner_text().split()[-1]


def fix_the_digits(page, *digits: int) -> None:
    """Let the game ask for these digits."""
    numbers = [digits[0] / 10 + 0.01, *((b - a - 1) % 10 / 9 + 0.01 for a, b in itertools.pairwise(digits))]
    page.evaluate("(numbers) => { Math.random = () => numbers.shift() ?? 0.5; }", numbers)


def test_points_for_each_misreading_and_corrections_with_consent(open_page, state):
    page = open_page()
    fix_the_digits(page, 7, 3, 0)
    start(page)
    assert asked(page) == "7"
    draw(page, SEVEN)
    page.get_by_role("button", name="Next").click()
    assert asked(page) == "3"
    draw(page, SEVEN)  # both networks read a 7
    page.get_by_role("button", name="Next").click()
    page.get_by_text("2 points").wait_for()
    assert asked(page) == "0"
    page.get_by_role("button", name="End").click()
    page.get_by_role(
        "heading", name="2 points: of 2 drawings, mlp-small misread 1, cnn-fast misread 1; 1 beat both."
    ).wait_for()
    assert page.locator(".misses li").all_inner_texts() == ["your 3, read as 7 by mlp-small, 7 by cnn-fast"]
    assert state.corrections.drawings() == [], "nothing is saved without consent"
    page.get_by_role("button", name="Save the ticked ones").click()
    page.get_by_text("Saved: 1.").wait_for()
    (saved,) = state.corrections.drawings()
    assert (saved["label"], saved["predicted"]) == ("3", "7")
    page.get_by_text("Saved corrections (1)").wait_for()


def test_a_miss_that_is_not_ticked_is_not_saved(open_page, state):
    page = open_page()
    fix_the_digits(page, 3, 4)
    start(page)
    draw(page, SEVEN)
    page.get_by_role("button", name="End").click()  # the drawing on the pad counts
    page.locator(".misses input").uncheck()
    page.get_by_role("button", name="Save the ticked ones").click()
    page.get_by_text("Saved: 0.").wait_for()
    assert state.corrections.drawings() == []


def test_the_game_ends_by_the_clock_which_can_be_switched_off(open_page):
    page = open_page(own=True)
    page.clock.install()
    wait_for_predictions(page, "–", "–")
    page.clock.pause_at(datetime.now() + timedelta(hours=1))
    start(page)
    page.clock.run_for(1000)
    page.get_by_text("19 s").wait_for()
    page.clock.run_for(19_100)
    page.get_by_role("heading", name="Nothing was drawn.").wait_for()
    page.get_by_role("button", name="Close").click()
    page.get_by_label("without the clock").check()
    page.get_by_role("button", name="Play: beat both networks").click()
    page.clock.run_for(60_000)
    page.get_by_text("no clock").wait_for()


def test_the_keyboard_plays_the_game(open_page):
    page = open_page()
    start(page)
    first = asked(page)
    for key in ["ArrowUp"] * 6 + [" "] + ["ArrowDown"] * 12 + [" "]:
        page.keyboard.press(key)  # the pad has the focus
    page.keyboard.press("Enter")
    assert asked(page) != first
    page.keyboard.press("Escape")
    page.get_by_role("heading", name="of 1 drawing").wait_for()
    assert page.evaluate("document.activeElement.className").startswith("card game-result")


@pytest.mark.parametrize(("width", "height"), [(360, 740)])
def test_the_game_on_a_phone(open_page, width, height):
    page = open_page(width=width, height=height, touch=True)
    fix_the_digits(page, 0, 1)
    start(page)
    draw(page, ZERO, touch=True)
    page.wait_for_function("() => document.querySelectorAll('.verdict-line strong').length === 2")
    for part in (".game-bar", ".pad canvas", ".verdict-line"):
        box = page.locator(part).bounding_box()
        assert 0 <= box["y"] <= height - box["height"], f"{part} is on the screen"
    page.get_by_role("button", name="Next").tap()
    until(lambda: asked(page) == "1")
    page.get_by_role("tab", name="Train").click()  # another tab ends the game
    page.get_by_role("tab", name="Draw").click()
    page.get_by_role("heading", name="0 points: of 1 drawing").wait_for()
