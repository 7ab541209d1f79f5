"""The tab Train in a real browser."""

from __future__ import annotations

import re

import pytest

from pellucid.app import server
from pellucid.data.drawings.corrections import Corrections


@pytest.fixture
def desk(tmp_path, small_mnist):
    """No networks, and empty folders."""
    return server.Desk(server.Networks(), tmp_path / "runs", Corrections(tmp_path / "corrections"))


def fill(page, **fields):
    for name, value in fields.items():
        field = page.locator(f".train-form [name={name}]")
        field.select_option(value) if field.evaluate("one => one.tagName") == "SELECT" else field.fill(value)


def command(page, words):
    """Waits until the form says what to type."""
    page.wait_for_function("(words) => document.querySelector('.train-form code')?.textContent === words", arg=words)


def state(page, words):
    page.wait_for_function(
        "(words) => document.querySelector('.train-state')?.textContent.startsWith(words)", arg=words, timeout=90_000
    )


def inked(page, colour):
    """Whether the chart of the loss has pixels of that colour of the theme."""
    return page.evaluate(
        """(name) => {
          const canvas = document.querySelector(".train-charts canvas");
          const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
          const wanted = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
          const {data} = canvas.getContext("2d").getImageData(0, 60, canvas.width, canvas.height - 100);
          let n = 0;
          for (let i = 0; i < data.length; i += 4) if (wanted.every((one, c) => Math.abs(one - data[i + c]) < 8)) n++;
          return n;
        }""",
        colour,
    )


def test_the_form_says_what_a_preset_is_and_what_to_type(open_page):
    page = open_page("#train")
    command(page, "pellucid train mnist --model mlp")
    value = "(name) => document.querySelector(`.train-form [name=${name}]`).value"
    assert [page.evaluate(value, name) for name in ("epochs", "batch_size", "lr", "hidden")] == ["15", "100", "0.04", "256x256"]
    fill(page, hidden="32", optimizer="adam", epochs="3")
    command(page, "pellucid train mnist --model mlp --hidden 32 --epochs 3 --optimizer adam")
    assert page.evaluate(value, "lr") == "0.001", "what is usual for Adam"
    assert "25,450 parameters" in page.locator(".train-about").inner_text()
    fill(page, model="cnn")
    command(page, "pellucid train mnist --model cnn")
    assert page.locator("[name=hidden]").is_disabled()
    assert page.evaluate(value, "augmentation") == "affine"
    fill(page, limit="0")
    page.wait_for_function("() => document.querySelector('.train-problem').textContent.includes('limit must be')")
    assert page.get_by_role("button", name="Start training").is_disabled()
    fill(page, limit="")
    command(page, "pellucid train mnist --model cnn")
    assert page.get_by_role("button", name="Start training").is_enabled()
    unnamed = page.locator("#train :is(input, select, button)").evaluate_all(
        "all => all.filter(one => !one.labels?.length && !one.ariaLabel && !one.textContent.trim()).length"
    )
    assert unnamed == 0, "every control has a label"


def test_a_training_is_watched_and_its_network_can_be_drawn_for(open_page, desk):
    page = open_page("#train", scheme="dark")
    command(page, "pellucid train mnist --model mlp")
    fill(page, hidden="16", epochs="4", lr="0.2")
    command(page, "pellucid train mnist --model mlp --hidden 16 --epochs 4 --lr 0.2")
    page.get_by_role("button", name="Start training").click()
    state(page, "done")
    assert page.locator(".train-now h2").inner_text() == "mlp-1: mlp on mnist"
    assert min(inked(page, "--blue"), inked(page, "--vermilion")) > 20
    chart = page.locator(".train-charts canvas").first.get_attribute("aria-label")
    assert re.match(r"Chart of loss by epoch\. Last values: training 0\.\d+, validation 0\.\d+", chart)
    cells = page.locator(".train-numbers td").all_inner_texts()
    assert all(re.fullmatch(r"\d+\.\d\d %", cell) for cell in cells[::2])
    assert str(desk.runs / "mlp-1") in page.locator(".train-result").inner_text()
    page.get_by_role("link", name="Try mlp-1 on the Draw tab").click()
    page.wait_for_function("() => !document.getElementById('draw').hidden")
    assert page.evaluate("import('/static/desk.js').then(({desk}) => desk.asked.join())") == "mlp-1"
    other = open_page("#train")  # opened later, it shows the same
    state(other, "done")
    assert other.locator(".train-numbers td").all_inner_texts() == cells


def test_a_training_is_steered_on_the_page(open_page, desk):
    page = open_page("#train", width=360, height=740)
    command(page, "pellucid train mnist --model mlp")
    fill(page, hidden="8", epochs="1000", batch_size="50")
    command(page, "pellucid train mnist --model mlp --hidden 8 --epochs 1000 --batch-size 50")
    page.get_by_role("button", name="Start training").click()
    state(page, "training")
    before = page.locator(".train-now").bounding_box()["height"]
    rate = page.get_by_label("Learning rate, by powers of ten")
    rate.fill("-1.5")
    heard = "(rate) => import('/static/jobs.js').then(({jobs}) => jobs.list[0].now?.learning_rate === rate)"
    page.wait_for_function(heard, arg=0.032)
    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    page.get_by_role("button", name="As planned").click()
    page.get_by_role("button", name="Resume").click()
    page.wait_for_function(heard, arg=0.04)
    state(page, "training")
    page.wait_for_function("() => import('/static/jobs.js').then(({jobs}) => jobs.list[0].rows.length > 100)")  # "epoch 101"
    onset = page.locator(".train-onset").bounding_box()["height"]
    assert page.locator(".train-now").bounding_box()["height"] - before <= onset, "nothing has moved"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Stop").click()
    state(page, "stopped")
    assert (desk.runs / "mlp-1" / "metrics.json").exists()


def test_failures_are_said(open_page):
    page = open_page("#train")
    command(page, "pellucid train mnist --model mlp")
    fill(page, hidden="8", lr="1000")
    command(page, "pellucid train mnist --model mlp --hidden 8 --lr 1000.0")
    page.get_by_role("button", name="Start training").click()
    state(page, "failed: ")
    assert "learning rate of 1000" in page.locator(".train-state").inner_text()
    assert page.locator(".train-list button").inner_text().split() == ["mlp-1", "failed"]
