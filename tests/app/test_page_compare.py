"""The tab Compare in a real browser."""

from __future__ import annotations

import pytest


@pytest.fixture
def compared(open_page, mnist_folder):
    """Opens the tab and waits for its figures."""

    def opened(**how):
        page = open_page("#compare", **how)
        page.wait_for_selector(".compare-matrix")
        return page

    return opened


def counts(page, which):
    return page.locator(".compare-matrix").nth(which).locator("button").all_inner_texts()


def test_two_networks_beside_each_other(compared):
    page = compared()
    assert page.locator(".compare-table tbody th").all_inner_texts() == ["mlp-small", "cnn-fast"]
    for which in (0, 1):
        assert sum(map(int, counts(page, which))) == 100
    assert "100 pictures: the test set of mnist" in page.locator(".compare-state").inner_text()
    assert "mlp-small learned from mnist-5k, and is asked here about mnist" in page.locator(".compare-notes").inner_text()
    assert page.locator(".compare-pairs li").count() == 1
    page.get_by_role("radio", name="Validation pictures").click()
    page.wait_for_function("() => document.querySelector('.compare-state').textContent.startsWith('50 pictures')")
    assert sum(map(int, counts(page, 1))) == 50
    page.get_by_role("checkbox", name="cnn-fast").uncheck()
    page.wait_for_function("() => document.querySelector('.compare-state').textContent.includes('Choose 2 to 6')")
    assert page.locator(".compare-matrix").count() == 0
    page.get_by_role("checkbox", name="cnn-fast").check()
    page.wait_for_selector(".compare-matrix")


def test_the_keyboard_goes_from_cell_to_cell_and_opens_the_pictures(compared):
    page = compared(scheme="dark")
    cells = page.locator(".compare-matrix").first.locator("button")
    assert page.locator(".compare-matrix button[tabindex='0']").count() == 2, "one stop for each matrix"
    cells.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    cell = page.evaluate("({at: document.activeElement.dataset.at, n: Number(document.activeElement.textContent)})")
    assert cell["at"] != cells.first.get_attribute("data-at")
    page.keyboard.press("Enter")
    page.wait_for_selector(".compare-pictures figure")
    figures = page.locator(".compare-pictures figure")
    assert figures.count() == cell["n"]
    true, said = cell["at"].split()
    for caption in figures.locator("figcaption").all_inner_texts():
        assert caption.startswith(f"It is {true}")
        assert f" {said}\n" in caption
    lit = figures.locator("canvas").first.evaluate(
        "one => Math.max(...one.getContext('2d').getImageData(0, 0, 28, 28).data.filter((value, i) => i % 4 === 0))"
    )
    assert lit == 255
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert page.evaluate("document.activeElement.dataset.at") == cell["at"], "where one was"


def test_the_pictures_on_which_they_disagree(compared):
    page = compared(width=360, height=740)
    page.get_by_role("button", name="Look at them").click()
    page.wait_for_selector(".compare-pictures figure")
    shown = page.locator(".compare-pictures figure").count()
    more = page.get_by_role("button", name="Show more")
    if more.is_visible():
        more.click()
        page.wait_for_function("(n) => document.querySelectorAll('.compare-pictures figure').length > n", arg=shown)
    captions = page.locator(".compare-pictures figcaption").all_inner_texts()
    whole = page.locator(".compare-album p").inner_text()
    assert whole == f"{len(captions)} pictures"
    labels = [[line.split()[1] for line in caption.splitlines() if line[:1] in "✓✗"] for caption in captions]
    assert all(one != other for one, other in labels)
    page.get_by_role("button", name="Close").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_counts_are_readable_on_every_shade(compared, scheme):
    """The contrast of ink and shade is at least 4.5, as WCAG 2 wants it."""
    page = compared(scheme=scheme)
    lowest = page.evaluate(
        """() => {
          const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
          const light = (colour) => {
            context.fillStyle = colour;
            context.fillRect(0, 0, 1, 1);
            const parts = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map((value) => value / 255);
            const [r, g, b] = parts.map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
          };
          const ratios = [...document.querySelectorAll(".compare-matrix button")].map((one) => {
            one.style.setProperty("--share", 1);
            const style = getComputedStyle(one);
            const [low, high] = [style.color, style.backgroundColor].map(light).sort((a, b) => a - b);
            return (high + 0.05) / (low + 0.05);
          });
          return Math.min(...ratios);
        }"""
    )
    assert lowest >= 4.5
