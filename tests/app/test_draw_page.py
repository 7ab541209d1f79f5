"""The tab Draw in a browser: drawing with mouse, finger and keys, predictions, corrections."""

from __future__ import annotations

import re

import numpy as np
from conftest import SEVEN, ZERO, draw, settle, strokes_of, until, wait_for_all_tabs, wait_for_predictions


def test_two_networks_predict_a_digit_drawn_with_the_mouse(open_page):
    page = open_page()
    wait_for_predictions(page, "–", "–")
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    assert page.locator(".prediction h2").all_inner_texts() == ["mlp-small", "cnn-fast"]
    probabilities = page.locator(".prediction >> nth=0 >> .probability").all_inner_texts()
    assert len(probabilities) == 10
    assert abs(sum(float(text.removesuffix(" %")) for text in probabilities) - 100) < 1
    assert re.fullmatch(r"\d+\.\d ms", page.locator(".prediction .name .quiet").first.inner_text())
    pixels = page.evaluate("[...document.querySelector('.network-input').getContext('2d').getImageData(0, 0, 28, 28).data]")
    assert np.reshape(pixels, (28, 28, 4))[..., 0].max() == 255
    page.get_by_role("button", name="Clear").click()
    wait_for_predictions(page, "–", "–")


def test_drawing_with_a_finger_does_not_scroll(open_page):
    page = open_page(width=360, height=640, touch=True)
    draw(page, ZERO, touch=True)
    wait_for_predictions(page, "0", "0")
    assert page.evaluate("window.scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_drawing_with_the_keyboard(open_page):
    page = open_page()
    wait_for_predictions(page, "–", "–")
    page.locator(".pad canvas").focus()
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 16 + [" "]:
        page.keyboard.press(key)
    page.wait_for_function("() => document.querySelector('.prediction .label').textContent !== '–'")
    page.keyboard.press("Control+z")
    wait_for_predictions(page, "–", "–")


def test_undo_removes_one_stroke(open_page):
    page = open_page()
    draw(page, SEVEN)
    before = strokes_of(page)
    draw(page, [[[100, 100], [900, 900]]])
    assert len(strokes_of(page)) == 2
    undo = page.get_by_role("button", name="Undo")
    undo.click()
    assert strokes_of(page) == before
    wait_for_predictions(page, "7", "7")
    undo.click()
    wait_for_predictions(page, "–", "–")


def test_the_normalization_can_be_changed(open_page):
    page = open_page()
    draw(page, [[[100 + x / 8, 100 + y / 8] for x, y in stroke] for stroke in SEVEN])
    wait_for_predictions(page, "7", "7")
    page.get_by_role("radio", name="as drawn").click()
    low = """() => document.querySelector('.network-input').getContext('2d').getImageData(0, 14, 28, 14).data
        .every((value, i) => i % 4 === 3 || value === 0)"""
    until(lambda: page.evaluate(low))


def test_a_correction_is_saved(open_page, state):
    page = open_page()
    assert page.get_by_role("button", name="Save correction").is_disabled()
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    page.get_by_label("The digit you meant").select_option("1")
    page.get_by_role("button", name="Save correction").click()
    page.get_by_text("Saved: 1 correction in").wait_for()
    (correction,) = state.corrections.drawings()
    assert (correction["label"], correction["predicted"]) == ("1", "7")


def test_a_correction_is_saved_once_and_can_be_undone(open_page, state):
    page = open_page()
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    save = page.get_by_role("button", name="Save correction")
    page.get_by_label("The digit you meant").select_option("1")
    save.click()
    page.get_by_text("Saved corrections (1)").click()
    assert save.is_disabled(), "it is saved already"
    page.get_by_label("The digit you meant").select_option("4")
    save.click()
    page.get_by_text("Saved corrections (2)").wait_for()
    assert [one.split() for one in page.locator(".corrections li span:has(strong)").all_inner_texts()] == [
        ["4", "read", "as", "7"],
        ["1", "read", "as", "7"],
    ]
    page.get_by_role("button", name="Undo the correction to 4").click()
    page.get_by_text("Saved corrections (1)").wait_for()
    assert [one["label"] for one in state.corrections.drawings()] == ["1"]
    save.click()  # it may be saved again
    page.get_by_text("Saved corrections (2)").wait_for()
    page.reload()
    page.get_by_text("Saved corrections (2)").wait_for()


def test_networks_can_be_hidden(open_page):
    page = open_page()
    page.get_by_text("Networks shown").click()
    page.get_by_label("cnn-fast").uncheck()
    draw(page, SEVEN)
    wait_for_predictions(page, "7")
    page.get_by_label("cnn-fast").check()
    wait_for_predictions(page, "7", "7")


def test_nothing_moves_when_predictions_arrive(open_page):
    page = open_page()
    wait_for_predictions(page, "–", "–")
    wait_for_all_tabs(page)
    settle(page)
    page.evaluate("""() => {
        window.shifts = [];
        const add = (entries) => window.shifts.push(...entries.map((one) => one.value));
        const observer = new PerformanceObserver((list) => add(list.getEntries()));
        observer.observe({type: "layout-shift"});
        window.allShifts = () => { add(observer.takeRecords()); return window.shifts; };
    }""")
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    settle(page)
    assert sum(page.evaluate("allShifts()")) < 1e-3  # of the screen; up to 0.1 is considered good
