"""The tab Train in a browser."""

from __future__ import annotations

import re

import pytest
from conftest import interrupt

from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.app.tabs.train_job import Job
from pellucid.data.drawings.corrections import Corrections
from pellucid.errors import DivergedError
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import run


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


def share_jobs(page):
    """Make the jobs of the page a global variable: ``wait_for_function`` does not wait for promises, such as an import."""
    page.evaluate("import('/static/tabs/train-jobs.js').then(({trainingJobs}) => { window.trainingJobs = trainingJobs; })")


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
    wait_for_command(page, "pellucid train mnist --model mlp --watch")
    value = "(name) => document.querySelector(`.train-form [name=${name}]`).value"
    assert [page.evaluate(value, name) for name in ("epochs", "batch_size", "lr", "hidden")] == ["15", "100", "0.04", "256x256"]
    fill(page, hidden="32", optimizer="adam", epochs="3")
    wait_for_command(page, "pellucid train mnist --model mlp --hidden 32 --epochs 3 --optimizer adam --watch")
    assert page.evaluate(value, "lr") == "0.001", "the default of Adam"
    assert "25,450 parameters" in page.locator(".train-about").inner_text()
    fill(page, model="cnn")
    wait_for_command(page, "pellucid train mnist --model cnn --watch")
    assert page.locator("[name=hidden]").is_disabled()
    assert page.evaluate(value, "augmentation") == "affine"
    fill(page, limit="0")
    page.wait_for_function("() => document.querySelector('.train-problem').textContent.includes('training samples must be')")
    assert page.get_by_role("button", name="Start training").is_disabled()
    fill(page, limit="")
    wait_for_command(page, "pellucid train mnist --model cnn --watch")
    assert page.get_by_role("button", name="Start training").is_enabled()
    unnamed = page.locator("#train :is(input, select, button)").evaluate_all(
        "all => all.filter(one => !one.labels?.length && !one.ariaLabel && !one.textContent.trim()).length"
    )
    assert unnamed == 0, "every control has a label"


def test_a_trained_network_can_be_used_on_the_tab_draw(open_page, state):
    page = open_page("#train", scheme="dark")
    wait_for_command(page, "pellucid train mnist --model mlp --watch")
    fill(page, hidden="16", epochs="4", lr="0.2")
    wait_for_command(page, "pellucid train mnist --model mlp --hidden 16 --epochs 4 --lr 0.2 --watch")
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
    wait_for_command(page, "pellucid train mnist --model mlp --watch")
    fill(page, hidden="8", epochs="10000", batch_size="50")
    wait_for_command(page, "pellucid train mnist --model mlp --hidden 8 --epochs 10000 --batch-size 50 --watch")
    page.get_by_role("button", name="Start training").click()
    wait_for_state(page, "training")
    before = page.locator(".train-result").bounding_box()["y"]
    rate = page.get_by_label("Learning rate, logarithmic")
    rate.fill("-1.5")
    share_jobs(page)
    applied = "(rate) => trainingJobs.list[0].progress?.learning_rate === rate"
    page.wait_for_function(applied, arg=0.032)
    page.get_by_role("button", name="Pause").click()
    wait_for_state(page, "paused")
    page.get_by_role("button", name="Reset").click()
    page.get_by_role("button", name="Resume").click()
    page.wait_for_function(applied, arg=0.04)
    wait_for_state(page, "training")
    page.wait_for_function("() => trainingJobs.list[0].rows.length > 100")  # three digits
    assert page.locator(".train-result").bounding_box()["y"] == before, "nothing has moved"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Stop").click()
    wait_for_state(page, "stopped")
    assert (state.runs / "mlp-1" / "metrics.json").exists()


def test_failures_are_reported(open_page):
    page = open_page("#train")
    wait_for_command(page, "pellucid train mnist --model mlp --watch")
    fill(page, hidden="8", lr="1000")
    wait_for_command(page, "pellucid train mnist --model mlp --hidden 8 --lr 1000.0 --watch")
    page.get_by_role("button", name="Start training").click()
    wait_for_state(page, "failed: ")
    assert "learning rate of 1000" in page.locator(".train-state").inner_text()
    assert page.locator(".train-list button").inner_text().split() == ["mlp-1", "failed"]


# -- interrupted runs -------------------------------------------------------------------------------------------------


def test_an_interrupted_run_goes_on(open_page, state):
    interrupt(state.runs / "mine", RunSettings(hidden="8", epochs=10_000, batch_size=50), epoch=3)
    page = open_page("#train", width=360, height=740)
    listed = page.locator(".train-unfinished li")
    listed.wait_for()
    assert re.match(r"mine mlp on mnist\s+stopped in epoch 3 of 10000\s+\d+ \w+ \d{4}, \d\d:\d\d", listed.inner_text())
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Resume mine").press("Enter")
    wait_for_state(page, "training")
    listed.wait_for(state="detached")
    assert page.locator(".train-job h2").inner_text() == "mine: mlp on mnist"
    assert page.locator(".train-list button").get_attribute("aria-pressed") == "true"
    share_jobs(page)
    page.wait_for_function("() => trainingJobs.list[0].rows.length > 5")
    assert page.evaluate("trainingJobs.list[0].rows.slice(0, 6).map((row) => row.epoch)") == [1, 2, 3, 4, 5, 6]
    assert page.locator(".train-result .train-command").inner_text() == "pellucid resume runs/mine"
    page.get_by_role("button", name="Stop").click()
    wait_for_state(page, "stopped")
    listed.wait_for()
    assert re.search(r"stopped in epoch \d+ of 10000", listed.inner_text())


def test_a_run_that_has_diverged_is_not_offered_as_one_that_goes_on(open_page, state):
    def diverge(event, control, history):
        control.learning_rate = 1e30 if event.epoch == 3 else None
        return True

    with pytest.raises(DivergedError):
        run(RunPlan.of(RunSettings(hidden="8", epochs=5)), state.runs / "bad", notify=str, progress=False, observer=diverge)
    page = open_page("#train", width=360, height=740)
    listed = page.get_by_role("region", name="Diverged runs")
    listed.wait_for()
    assert re.search(r"bad mlp on mnist\s+training diverged in epoch 3, ", listed.inner_text())
    assert page.get_by_role("region", name="Interrupted runs").count() == 0
    assert page.get_by_role("button", name="Resume bad").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Try again at 0.04: bad").click()
    wait_for_state(page, "done")
    assert "--lr 0.04" not in page.locator(".train-result .train-command").inner_text(), "the preset's, without the change"
    assert page.locator(".train-job h2").inner_text() == "mlp-1: mlp on mnist"
    assert listed.is_visible(), "it is kept"


# -- findings ---------------------------------------------------------------------------------------------------------


def finding(kind, where, since, at):
    """A finding as the process of a job reports it."""
    told = {"text": f"{where} is measured.", "advice": "Try something else.", "figure": 0.9, "threshold": 0.5, "samples": []}
    return {"kind": kind, "where": where, "since": since, "at": at, **told}


@pytest.fixture
def watched(state):
    """A job of ten epochs, and a function that adds a finding to it."""
    settings = RunSettings(epochs=10)
    job = Job(1, settings, RunPlan.of(settings), "mlp-1", numbered=True, epochs=10, state="training")
    for epoch in range(1, 11):
        loss = {"train_loss": 2 / epoch, "validation_loss": 2.1 / epoch}
        job.rows.append({"epoch": epoch, "train_accuracy": 0.9, "validation_accuracy": 0.8, **loss})
    state.jobs._jobs[1] = job
    return lambda *values: state.jobs._receive(job, "finding", finding(*values))


def boxes(page):
    """Return the places of all that is on the tab, apart from the findings, and on a narrow screen from what is below them."""
    kept = ":scope :is(form, button, input, canvas, table, .train-result, .train-found, h2, h3):not(.note)"
    return page.locator("#train").evaluate(
        """(tab, kept) => {
          const below = innerWidth < 500 ? tab.querySelector(".train-findings").getBoundingClientRect().y : Infinity;
          const places = [...tab.querySelectorAll(kept)].map((one) => [one, one.getBoundingClientRect()]);
          return places.filter(([, {y}]) => y < below).map(([one, {x, y, width, height}]) =>
            [one.className || one.tagName, x, y, width, height].join(" "));
        }""",
        kept,
    )


NOTE = ".train-charts button.note"


def wait_for_notes(page, *labels):
    page.wait_for_function(
        f"(labels) => [...document.querySelectorAll('{NOTE}')].map((one) => one.textContent).join('|') === labels",
        arg="|".join(labels),
    )


@pytest.mark.parametrize("width", [1280, 360])
def test_a_finding_is_shown_at_the_curve_where_it_begins(open_page, watched, width):
    page = open_page("#train", width=width, scheme="dark" if width == 360 else "light")
    wait_for_command(page, "pellucid train mnist --model mlp --watch")
    wait_for_state(page, "training")
    assert "None so far." in page.locator(".train-doctor").inner_text()
    before = boxes(page)
    watched("dead-relu", "relu1", 4, 4)
    watched("overfitting", "validation loss", 7, 7)
    wait_for_notes(page, "1", "2")
    assert len(before) > 20
    assert boxes(page) == before, "nothing has moved"
    canvas = page.locator(".train-charts canvas").first.bounding_box()
    centres = []
    for note in page.locator(NOTE).all():
        box = note.bounding_box()
        assert (box["width"], box["height"]) == (24, 24)
        assert canvas["y"] + 16 < box["y"] < canvas["y"] + 60, "between the legend and the plot"
        centres.append(box["x"] + box["width"] / 2)
    left, right = canvas["x"] + 46, canvas["x"] + canvas["width"] - 14  # of the plot, whose axis is from 0.5 to 10
    assert centres == pytest.approx([left + (right - left) * (epoch - 0.5) / 9.5 for epoch in (4, 7)], abs=1)
    assert page.locator(".train-found").inner_text() == "2 findings, the last one: overfitting, validation loss, since epoch 7"
    entries = page.locator(".train-findings li").all_inner_texts()
    assert [re.sub(r"\s+", " ", one) for one in entries] == [
        "1 dead-relu relu1 since epoch 4 Relu1 is measured. Try something else.",
        "2 overfitting validation loss since epoch 7 Validation loss is measured. Try something else.",
    ]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_findings_are_reached_by_keyboard_and_named(open_page, watched):
    watched("large-update", "dense1", 1, 0.8)
    watched("dead-relu", "relu1", 1, 1)
    watched("dead-relu", "relu2", 5, 5)
    page = open_page("#train", height=500)
    wait_for_notes(page, "1, 2", "3")
    both = page.get_by_role(
        "button", name="Finding 1: large-update, dense1, since epoch 1 Finding 2: dead-relu, relu1, since epoch 1"
    )
    assert both.get_attribute("title") == (
        "Finding 1: large-update, dense1, since epoch 1\nFinding 2: dead-relu, relu1, since epoch 1"
    )
    page.locator(".train-rate input[type=number]").focus()  # the control before the charts; Reset is disabled
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "3"
    watched("plateau", "training loss", 5, 5)
    wait_for_notes(page, "1, 2", "3, 4")
    assert page.evaluate("document.activeElement.textContent") == "3, 4", "it still has the focus"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.querySelector('div').innerText").startswith("dead-relu relu2 since epoch 5")
    shown = page.locator(".train-findings li").nth(2).bounding_box()
    assert shown["y"] >= 0
    assert shown["y"] + shown["height"] <= 500
    watched("overfitting", "validation loss", 7, 6.2)
    wait_for_notes(page, "1, 2", "3, 4", "5")
    page.locator(NOTE).last.focus()
    page.set_viewport_size({"width": 340, "height": 500})
    wait_for_notes(page, "1, 2", "3–5")
    assert page.evaluate("document.activeElement.textContent") == "3–5", "the focus is on the button that it has joined"
    chart = page.locator(".train-charts canvas").first.bounding_box()
    for note in page.locator(NOTE).all():
        box = note.bounding_box()
        assert chart["x"] <= box["x"]
        assert box["x"] + box["width"] <= chart["x"] + chart["width"]
