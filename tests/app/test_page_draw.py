"""The page in a real browser: drawing with mouse, finger and keys, and the tabs Draw, Inside and Why."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import SEVEN, ZERO, draw, until

SCREENSHOTS = Path(__file__).parents[2] / "runs" / "screenshots"  # for a person to look at


def answers(page, *labels):
    """Waits until the networks on the page say these labels."""
    page.wait_for_function(
        "(wanted) => [...document.querySelectorAll('.guess .says')].map((one) => one.textContent).join() === wanted",
        arg=",".join(labels),
    )


def test_a_digit_drawn_with_the_mouse_is_read_by_two_networks(open_page):
    page = open_page()
    answers(page, "–", "–")
    draw(page, SEVEN)
    answers(page, "7", "7")
    assert page.locator(".guess h2").all_inner_texts() == ["mlp-small", "cnn-fast"]
    shares = page.locator(".guess >> nth=0 >> .share").all_inner_texts()
    assert len(shares) == 10
    assert abs(sum(float(share.removesuffix(" %")) for share in shares) - 100) < 1
    assert re.fullmatch(r"\d+\.\d ms", page.locator(".guess .name .quiet").first.inner_text())
    seen = page.evaluate("[...document.querySelector('.seen').getContext('2d').getImageData(0, 0, 28, 28).data]")
    assert np.reshape(seen, (28, 28, 4))[..., 0].max() == 255
    page.get_by_role("button", name="Clear").click()
    answers(page, "–", "–")


def test_a_finger_draws_too_and_does_not_scroll(open_page):
    page = open_page(width=360, height=640, touch=True)
    draw(page, ZERO, touch=True)
    answers(page, "0", "0")
    assert page.evaluate("window.scrollY") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_keys_draw_too(open_page):
    page = open_page()
    page.locator(".pad canvas").focus()
    for key in ["ArrowUp"] * 8 + [" "] + ["ArrowDown"] * 16 + [" "]:
        page.keyboard.press(key)
    page.wait_for_function("() => document.querySelector('.guess .says').textContent !== '–'")
    page.keyboard.press("Control+z")
    answers(page, "–", "–")


def test_undo_takes_one_stroke_back(open_page):
    page = open_page()
    draw(page, SEVEN)
    answers(page, "7", "7")
    draw(page, [[[100, 100], [900, 900]], [[900, 100], [100, 900]]])
    for _ in range(2):
        page.get_by_role("button", name="Undo").click()
    answers(page, "7", "7")


def test_the_normalization_is_felt(open_page):
    page = open_page()
    draw(page, [[[100 + x / 8, 100 + y / 8] for x, y in stroke] for stroke in SEVEN])
    answers(page, "7", "7")
    page.get_by_role("radio", name="as drawn").click()
    low = """() => document.querySelector('.seen').getContext('2d').getImageData(0, 14, 28, 14).data
        .every((value, i) => i % 4 === 3 || value === 0)"""
    until(lambda: page.evaluate(low))


def test_a_correction_is_kept(open_page, desk):
    page = open_page()
    assert page.get_by_role("button", name="Keep the correction").is_disabled()
    draw(page, SEVEN)
    answers(page, "7", "7")
    page.get_by_label("What the drawing was meant to be").select_option("1")
    page.get_by_role("button", name="Keep the correction").click()
    page.get_by_text("kept: 1 in").wait_for()
    (kept,) = desk.corrections.drawings()
    assert (kept["label"], kept["said"]) == ("1", "7")


def test_networks_are_chosen(open_page):
    page = open_page()
    page.get_by_text("Networks that are asked").click()
    page.get_by_label("cnn-fast").uncheck()
    draw(page, SEVEN)
    answers(page, "7")
    page.get_by_label("cnn-fast").check()
    answers(page, "7", "7")


def test_nothing_moves_when_answers_come(open_page):
    page = open_page()
    page.wait_for_selector(".guess")
    page.wait_for_timeout(300)
    page.evaluate("""() => {
        window.shifts = [];
        new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((one) => one.value)))
            .observe({type: "layout-shift"});
    }""")
    draw(page, SEVEN)
    answers(page, "7", "7")
    page.wait_for_timeout(200)
    assert sum(page.evaluate("() => window.shifts")) < 1e-3  # of the screen; 0.1 is called good


@pytest.mark.parametrize("name", ["mlp-small", "cnn-fast"])
def test_the_inside_of_a_network_is_drawn(open_page, name):
    page = open_page()
    draw(page, SEVEN)
    answers(page, "7", "7")
    page.get_by_role("tab", name="Inside").click()
    page.locator("#inside select").select_option(name)
    page.wait_for_function("() => document.querySelector('#inside').dataset.answered")
    page.wait_for_timeout(100)
    colours = page.evaluate("""() => {
        const canvas = document.querySelector('.diagram canvas'), found = {plus: 0, minus: 0};
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        for (let i = 0; i < data.length; i += 4) {
            if (data[i] > data[i + 2] + 60) found.plus++;
            if (data[i + 2] > data[i] + 60) found.minus++;
        }
        return found;
    }""")
    assert min(colours.values()) > 500, "lines for positive and for negative weights"
    assert page.locator(".maps canvas").count() == (5 if name == "cnn-fast" else 0)
    page.locator(".diagram canvas").scroll_into_view_if_needed()
    frame = page.locator(".diagram canvas").bounding_box()
    said = ""
    for share in np.linspace(0.1, 0.9, 161):  # down a line that connections cross, until the pointer is on one
        page.mouse.move(frame["x"] + 0.55 * frame["width"], frame["y"] + share * frame["height"])
        said = page.locator(".tip").inner_text() if page.locator(".tip").is_visible() else ""
        if "×" in said:
            break
    weight, activation, product = (float(number) for number in re.findall(r"-?\d+\.\d+", said))
    assert weight * activation == pytest.approx(product, abs=2e-3), said


def test_why_shows_every_method_with_its_error(open_page, mnist_folder):
    page = open_page("#why")
    draw(page, SEVEN)
    page.wait_for_function("() => document.querySelectorAll('.whys dd').length === 28")  # four figures of seven methods
    articles = page.locator(".whys article:has(dd)")
    errors = dict(zip(articles.evaluate_all("(all) => all.map((one) => one.dataset.method)"),
                      page.locator(".whys dd:nth-of-type(3)").all_inner_texts(), strict=True))  # fmt: skip
    assert float(errors["integrated-gradients"]) < 0.5
    assert errors["saliency"].endswith("*")
    before = page.locator("[data-method=occlusion] dd").first.inner_text()
    page.locator("#why select").nth(2).select_option("1")
    page.wait_for_function("(old) => document.querySelector('[data-method=occlusion] dd').textContent !== old", arg=before)
    page.locator("#why select").first.select_option(index=0)  # the MLP has no convolution to look at
    refused = "() => document.querySelector('[data-method=grad-cam] [role=status]').textContent.includes('any other method')"
    page.wait_for_function(refused)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1920])
def test_every_tab_fits_and_can_be_read(open_page, mnist_folder, scheme, width):
    page = open_page(width=width, scheme=scheme)
    draw(page, SEVEN)
    answers(page, "7", "7")
    for tab in ("Draw", "Inside", "Why", "Playground", "Train", "Compare"):
        page.get_by_role("tab", name=tab).click()
        page.locator(f"#{tab.lower()}").wait_for(state="visible")
        page.wait_for_timeout(1500 if tab in ("Why", "Compare") else 150)  # for the pictures: what is slow has come
        page.screenshot(path=SCREENSHOTS / f"{tab.lower()}-{width}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{tab} is wider than the screen"
        unnamed = page.evaluate("""() => [...document.querySelectorAll('main :is(button, input, select, textarea, canvas)')]
            .filter((one) => one.checkVisibility() && one.type !== 'hidden')
            .filter((one) => !(one.labels?.length || one.getAttribute('aria-label') || one.getAttribute('aria-labelledby')
                || one.textContent.trim() || one.getAttribute('aria-hidden') || one.matches('button canvas')))
            .map((one) => one.outerHTML.slice(0, 120))""")
        assert unnamed == [], f"{tab}: controls without a name"


def test_tabs_by_keys_and_by_address(open_page):
    page = open_page("#why")
    assert page.get_by_role("tab", name="Why").get_attribute("aria-selected") == "true"
    page.get_by_role("tab", name="Why").focus()
    page.keyboard.press("ArrowLeft")
    page.locator("#inside").wait_for(state="visible")
    page.go_back()
    page.locator("#why").wait_for(state="visible")
