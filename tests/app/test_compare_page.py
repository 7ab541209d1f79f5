"""The tab Compare in a browser."""

from __future__ import annotations

import threading

import pytest
from conftest import LIMIT, until

from pellucid.app import predictions


@pytest.fixture
def compared(open_page, mnist_folder):
    """A function that opens the tab and waits for its results."""

    def opened(**how):
        page = open_page("#compare", **how)
        page.wait_for_selector(".compare-matrix")
        return page

    return opened


def counts(page, which):
    return page.locator(".compare-matrix").nth(which).locator("button").all_inner_texts()


def test_two_networks_are_compared(compared):
    page = compared()
    assert page.locator(".compare-table tbody th").all_inner_texts() == ["mlp-small", "cnn-fast"]
    for which in (0, 1):
        assert sum(map(int, counts(page, which))) == 100
    assert "100 images: the test set of mnist" in page.locator(".compare-status").inner_text()
    assert "mlp-small was trained on mnist-5k, not on mnist" in page.locator(".compare-notes").inner_text()
    assert page.locator(".compare-pairs li").count() == 1
    page.get_by_role("radio", name="Validation set").click()
    page.wait_for_function("() => document.querySelector('.compare-status').textContent.startsWith('50 images')")
    assert sum(map(int, counts(page, 1))) == 50
    page.get_by_role("checkbox", name="cnn-fast").uncheck()
    page.wait_for_function("() => document.querySelector('.compare-status').textContent.includes('Choose 2 to 6')")
    assert page.locator(".compare-matrix").count() == 0
    page.get_by_role("checkbox", name="cnn-fast").check()
    page.wait_for_selector(".compare-matrix")


def test_the_progress_is_shown(open_page, mnist_folder, state, monkeypatch):
    go_on, model = threading.Event(), state.networks.get("cnn-fast").model
    predict = model.predict

    def slow(x):
        assert len(x) == 1 or go_on.wait(LIMIT)
        return predict(x)

    monkeypatch.setattr(model, "predict", slow)
    page = open_page("#compare")
    progress = page.locator(".compare-progress")
    progress.wait_for()
    page.get_by_text("100 of 200 images; now cnn-fast").wait_for()
    assert progress.locator("progress").get_attribute("value") == "0.5"
    go_on.set()
    page.wait_for_selector(".compare-matrix")
    progress.wait_for(state="hidden")


def test_a_comparison_is_cancelled(open_page, mnist_folder, state, monkeypatch):
    go_on, calls, model = threading.Event(), [], state.networks.get("cnn-fast").model
    predict = model.predict

    def slow(x):
        if len(x) > 1:  # not the server's first prediction
            calls.append(len(x))
            assert go_on.wait(LIMIT)
        return predict(x)

    monkeypatch.setattr(model, "predict", slow)
    monkeypatch.setattr(predictions, "CHUNK", 10)
    page = open_page("#compare", width=360, height=740)
    page.get_by_text("100 of 200 images; now cnn-fast").wait_for()
    until(lambda: calls)  # the network is named before it reads
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    with page.expect_response("**/compare/cancel"):
        page.get_by_role("button", name="Cancel").press("Enter")
    go_on.set()
    page.get_by_text("Cancelled.").wait_for()
    page.locator(".compare-progress").wait_for(state="hidden")
    assert calls == [10], "the server has not read the other images"
    page.get_by_role("button", name="Compare again").press("Enter")
    page.wait_for_selector(".compare-matrix")
    assert not page.get_by_role("button", name="Compare again").is_visible()


def test_the_keyboard_moves_from_cell_to_cell_and_opens_the_images(compared):
    page = compared(scheme="dark")
    cells = page.locator(".compare-matrix").first.locator("button")
    assert page.locator(".compare-matrix button[tabindex='0']").count() == 2, "one tab stop for each matrix"
    cells.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    cell = page.evaluate("({at: document.activeElement.dataset.cell, n: Number(document.activeElement.textContent)})")
    assert cell["at"] != cells.first.get_attribute("data-cell")
    page.keyboard.press("Enter")
    page.wait_for_selector(".compare-images figure")
    figures = page.locator(".compare-images figure")
    assert figures.count() == cell["n"]
    true, predicted = cell["at"].split()
    for caption in figures.locator("figcaption").all_inner_texts():
        assert caption.startswith(f"True class: {true}")
        assert f" {predicted}\n" in caption
    brightest = figures.locator("canvas").first.evaluate(
        "one => Math.max(...one.getContext('2d').getImageData(0, 0, 28, 28).data.filter((value, i) => i % 4 === 0))"
    )
    assert brightest == 255
    page.keyboard.press("Escape")
    until(lambda: page.locator("dialog[open]").count() == 0)
    until(lambda: page.evaluate("document.activeElement.dataset.cell") == cell["at"])  # focus returns to the cell


def test_the_images_on_which_the_networks_disagree(compared):
    page = compared(width=360, height=740)
    page.get_by_role("button", name="Show these images").click()
    page.wait_for_selector(".compare-images figure")
    shown = page.locator(".compare-images figure").count()
    more = page.get_by_role("button", name="Show more")
    if more.is_visible():
        more.click()
        page.wait_for_function("(n) => document.querySelectorAll('.compare-images figure').length > n", arg=shown)
    captions = page.locator(".compare-images figcaption").all_inner_texts()
    assert page.locator(".compare-album p").inner_text().startswith(f"{len(captions)} image")
    labels = [[line.split()[1] for line in caption.splitlines() if line[:1] in "✓✗"] for caption in captions]
    assert all(one != other for one, other in labels)
    page.get_by_role("button", name="Close").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_counts_are_readable_on_every_shade(compared, scheme):
    """The contrast of text and shade is at least 4.5, as WCAG 2 requires."""
    page = compared(scheme=scheme)
    lowest = page.evaluate(
        """() => {
          const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
          const luminance = (colour) => {
            context.fillStyle = colour;
            context.fillRect(0, 0, 1, 1);
            const parts = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value / 255);
            const [r, g, b] = parts.map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ratios = [...document.querySelectorAll(".compare-matrix button")].map((one) => {
            one.style.setProperty("--shade", 1);
            const style = getComputedStyle(one);
            const [low, high] = [style.color, style.backgroundColor].map(luminance).sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05);
          });
          return Math.min(...ratios);
        }"""
    )
    assert lowest >= 4.5
