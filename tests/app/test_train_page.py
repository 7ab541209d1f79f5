"""The tab Train in a browser."""

from __future__ import annotations

import re

import pytest

from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.data.drawings.corrections import Corrections


@pytest.fixture
def state(tmp_path, small_mnist):
    """No networks, and empty folders."""
    return AppState(Networks(), tmp_path / "runs", Corrections(tmp_path / "corrections"))


def fill(page, **fields):
    for name, value in fields.items():
        field = page.locator(f".train-form [name={name}]")
        field.select_option(value) if field.evaluate("one => one.tagName") == "SELECT" else field.fill(value)


def wait_for_command(page, text):
    """Wait until the form shows this command."""
    page.wait_for_function("(text) => document.querySelector('.train-form code')?.textContent === text", arg=text)


def wait_for_state(page, text):
    page.wait_for_function(
        "(text) => document.querySelector('.train-state')?.textContent.startsWith(text)", arg=text, timeout=90_000
    )


def count_pixels(page, colour):
    """Return the number of pixels of the loss chart that have this colour of the theme."""
    return page.evaluate(
        """(name) => {
          const canvas = document.querySelector(".train-charts canvas");
          const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
          const expected = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
          const {data} = canvas.getContext("2d").getImageData(0, 60, canvas.width, canvas.height - 100);
          let n = 0;
          for (let i = 0; i < data.length; i += 4) if (expected.every((one, c) => Math.abs(one - data[i + c]) < 8)) n++;
          return n;
        }""",
        colour,
    )


def test_the_form_shows_the_preset_and_the_command(open_page):
    page = open_page("#train")
    wait_for_command(page, "pellucid train mnist --model mlp")
    value = "(name) => document.querySelector(`.train-form [name=${name}]`).value"
    assert [page.evaluate(value, name) for name in ("epochs", "batch_size", "lr", "hidden")] == ["15", "100", "0.04", "256x256"]
    fill(page, hidden="32", optimizer="adam", epochs="3")
    wait_for_command(page, "pellucid train mnist --model mlp --hidden 32 --epochs 3 --optimizer adam")
    assert page.evaluate(value, "lr") == "0.001", "the default of Adam"
    assert "25,450 parameters" in page.locator(".train-about").inner_text()
    fill(page, model="cnn")
    wait_for_command(page, "pellucid train mnist --model cnn")
    assert page.locator("[name=hidden]").is_disabled()
    assert page.evaluate(value, "augmentation") == "affine"
    fill(page, limit="0")
    page.wait_for_function("() => document.querySelector('.train-problem').textContent.includes('limit must be')")
    assert page.get_by_role("button", name="Start training").is_disabled()
    fill(page, limit="")
    wait_for_command(page, "pellucid train mnist --model cnn")
    assert page.get_by_role("button", name="Start training").is_enabled()
    unnamed = page.locator("#train :is(input, select, button)").evaluate_all(
        "all => all.filter(one => !one.labels?.length && !one.ariaLabel && !one.textContent.trim()).length"
    )
    assert unnamed == 0, "every control has a label"


def test_a_trained_network_can_be_used_on_the_tab_draw(open_page, state):
    page = open_page("#train", scheme="dark")
    wait_for_command(page, "pellucid train mnist --model mlp")
    fill(page, hidden="16", epochs="4", lr="0.2")
    wait_for_command(page, "pellucid train mnist --model mlp --hidden 16 --epochs 4 --lr 0.2")
    page.get_by_role("button", name="Start training").click()
    wait_for_state(page, "done")
    assert page.locator(".train-job h2").inner_text() == "mlp-1: mlp on mnist"
    assert min(count_pixels(page, "--blue"), count_pixels(page, "--vermilion")) > 20
    chart = page.locator(".train-charts canvas").first.get_attribute("aria-label")
    assert re.match(r"Chart of loss by epoch\. Last values: training 0\.\d+, validation 0\.\d+", chart)
    cells = page.locator(".train-scores td").all_inner_texts()
    assert all(re.fullmatch(r"\d+\.\d\d %", cell) for cell in cells[::2])
    assert str(state.runs / "mlp-1") in page.locator(".train-result").inner_text()
    page.get_by_role("link", name="Try mlp-1 on the tab Draw").click()
    page.wait_for_function("() => !document.getElementById('draw').hidden")
    assert page.evaluate("import('/static/app-state.js').then(({appState}) => appState.selected.join())") == "mlp-1"
    other = open_page("#train")  # a page that is opened later shows the same
    wait_for_state(other, "done")
    assert other.locator(".train-scores td").all_inner_texts() == cells


def test_a_training_is_controlled_on_the_page(open_page, state):
    page = open_page("#train", width=360, height=740)
    wait_for_command(page, "pellucid train mnist --model mlp")
    fill(page, hidden="8", epochs="1000", batch_size="50")
    wait_for_command(page, "pellucid train mnist --model mlp --hidden 8 --epochs 1000 --batch-size 50")
    page.get_by_role("button", name="Start training").click()
    wait_for_state(page, "training")
    before = page.locator(".train-job").bounding_box()["height"]
    rate = page.get_by_label("Learning rate, logarithmic")
    rate.fill("-1.5")
    jobs = "import('/static/tabs/train-jobs.js').then(({trainingJobs: {list: [job]}}) => "
    applied = f"(rate) => {jobs} job.progress?.learning_rate === rate)"
    page.wait_for_function(applied, arg=0.032)
    page.get_by_role("button", name="Pause").click()
    wait_for_state(page, "paused")
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Resume").click()
    page.wait_for_function(applied, arg=0.04)
    wait_for_state(page, "training")
    page.wait_for_function(f"() => {jobs} job.rows.length > 100)")  # three digits
    line = page.locator(".train-overfitting").bounding_box()["height"]
    assert page.locator(".train-job").bounding_box()["height"] - before <= line, "nothing has moved"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Stop").click()
    wait_for_state(page, "stopped")
    assert (state.runs / "mlp-1" / "metrics.json").exists()


def test_failures_are_reported(open_page):
    page = open_page("#train")
    wait_for_command(page, "pellucid train mnist --model mlp")
    fill(page, hidden="8", lr="1000")
    wait_for_command(page, "pellucid train mnist --model mlp --hidden 8 --lr 1000.0")
    page.get_by_role("button", name="Start training").click()
    wait_for_state(page, "failed: ")
    assert "learning rate of 1000" in page.locator(".train-state").inner_text()
    assert page.locator(".train-list button").inner_text().split() == ["mlp-1", "failed"]
