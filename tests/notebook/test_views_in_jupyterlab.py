"""The views in notebooks with the style sheets of JupyterLab, light and dark, wide and narrow, in Chromium.

The page is what nbconvert makes of a notebook with its template "lab", which contains the style sheets of JupyterLab.
Screenshots are written to runs/screenshots.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from pellucid import Accuracy, ConfusionMatrix, History, Precision
from pellucid.data import Dataset, Splits, from_arrays
from tests.notebook import test_notebook as views

SCREENSHOTS = Path(__file__).parents[2] / "runs" / "screenshots"
NAMES = ["area", "age of the building", "distance to the nearest station", *"abcdefghijk"]


def evaluation():
    return views.model().evaluate(views.PETS, metrics=[Accuracy(), Precision(), ConfusionMatrix()])


def long_history():
    rows = {"train_loss": np.geomspace(2, 0.1, 30), "validation_loss": 0.3 + np.geomspace(2, 0.1, 30)}
    rows |= {f"{part}_accuracy": np.linspace(0.3, 0.97, 30) for part in ("train", "validation")}
    return History([{"epoch": k + 1, "seconds": 1.0, **{name: float(rows[name][k]) for name in rows}} for k in range(30)])


SHOWN = {
    "model": views.model,
    "history": long_history,
    "evaluation": evaluation,
    "splits": lambda: Splits(views.PETS, views.PETS, views.PETS, "pets", "a folder", "00"),
    "images": lambda: Dataset(views.IMAGES, np.arange(30) % 3, classes=("cat", "dog", "owl")),
    "table": lambda: from_arrays(np.random.default_rng(0).normal(size=(9, 14)), np.arange(9) % 2, names=NAMES),
    "range test": lambda: views.SEARCH,
    "attribution": views.attribution,
}

# For all texts and coloured lines of the outputs: their contrast with what is behind them, by the formula of WCAG 2.
CONTRASTS = """() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
    return [r, g, b, text === "transparent" || text === "none" ? 0 : a];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[3] * top[i] + (1 - top[3]) * below[i]);
  const light = (color) => {
    const [r, g, b] = color.map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) layers.push(parse(getComputedStyle(one).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const contrast = (element, color) => {
    const below = behind(element), [a, b] = [light(over(parse(color), below)), light(below)].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  const found = [];
  for (const output of document.querySelectorAll(".jp-RenderedHTMLCommon.jp-OutputArea-output, .jp-RenderedHTML")) {
    for (const element of output.querySelectorAll("*")) {
      const style = getComputedStyle(element), svg = element instanceof SVGElement;
      if ([...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) {
        found.push(["text", element.textContent.trim().slice(0, 40), contrast(element, svg ? style.fill : style.color)]);
      }
      if (svg && /^#/.test(element.getAttribute("stroke") || "")) {
        found.push(["line", element.tagName, contrast(element, style.stroke)]);
      }
    }
  }
  return found;
}"""
# What has to be scrolled sideways, and the images and charts that are cut off.
SCROLLED = """() => [...document.querySelectorAll(".jp-OutputArea-output, .jp-OutputArea-output div")]
  .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.outerHTML.slice(0, 120))"""
CUT = """() => [...document.querySelectorAll(".jp-OutputArea-output img, .jp-OutputArea-output svg[role=img]")]
  .filter((one) => one.getBoundingClientRect().right > innerWidth).map((one) => one.outerHTML.slice(0, 120))"""


@pytest.fixture(scope="module")
def html():
    """A function that returns the page of a notebook with all views, in a theme."""
    if not importlib.util.find_spec("nbconvert"):
        if os.environ.get("CI"):
            pytest.fail("nbconvert is not installed: pip install 'pellucid[dev]'")
        pytest.skip("nbconvert is not installed: pip install 'pellucid[dev]'")
    from nbconvert import HTMLExporter
    from nbformat.v4 import new_code_cell, new_notebook, new_output

    cells = []
    for name, make in SHOWN.items():
        thing = make()
        data = {"text/html": thing._repr_html_(), "text/plain": repr(thing)}
        cells.append(new_code_cell(name, outputs=[new_output("execute_result", data, execution_count=1)], execution_count=1))

    def page(theme):
        exporter = HTMLExporter(template_name="lab", theme=theme)
        exporter.mathjax_url = exporter.require_js_url = exporter.jquery_url = exporter.mermaid_js_url = ""
        return exporter.from_notebook_node(new_notebook(cells=cells))[0]

    return page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_views_are_readable_with_the_styles_of_jupyterlab(html, browser, theme):
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.route("http*://**", lambda route: route.abort())
    page.set_content(html(theme), wait_until="domcontentloaded")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (theme == "light"), background
    found = page.evaluate(CONTRASTS)
    texts = [one for one in found if one[0] == "text"]
    assert len(texts) > 100
    assert len(found) > len(texts) + 5
    assert not [one for one in found if one[2] < (4.5 if one[0] == "text" else 3)]
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    assert page.evaluate(SCROLLED) == []
    for width in (1000, 360):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate(CUT) == []
        page.screenshot(path=SCREENSHOTS / f"views-in-jupyterlab-{theme}-{width}.png", full_page=True)
    page.close()
