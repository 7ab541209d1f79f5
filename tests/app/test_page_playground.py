"""The tab Playground in a real browser: training, repeating, sharing by address, own points, Python."""

from __future__ import annotations

import json
import re

import pytest
from conftest import until

STEP = ".pg-counter b >> nth=1"
SMALL = "#playground?data=circles&samples=100&hidden=6&optimizer=adam&rate=0.05&batch=32&seed=4"


def ready(page, steps: int = 0):
    """Waits until the network is there, after so many steps."""
    page.wait_for_function(
        "(steps) => document.querySelectorAll('.pg-counter b')[1]?.textContent === String(steps)"
        " && !document.querySelector('.pg-play').disabled",
        arg=steps,
    )


def step(page) -> int:
    return int(page.locator(STEP).inner_text().replace(",", ""))


def scores(page) -> list[str]:
    return page.locator(".pg-curves td").all_inner_texts()


def click(page, name: str):
    page.get_by_role("button", name=name, exact=True).click()


def fields(page) -> dict[str, str]:
    """What the address says."""
    return dict(part.split("=") for part in page.evaluate("location.hash").split("?")[1].split("&"))


def test_play_learns_and_rewind_repeats(open_page):
    page = open_page(SMALL)
    ready(page)
    first = scores(page)
    click(page, "Epoch")
    ready(page, 3)
    click(page, "Step")
    ready(page, 4)
    fourth = scores(page)
    assert fourth != first
    page.get_by_role("button", name="Play").click()
    until(lambda: step(page) > 60)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function("() => document.querySelector('.pg-play').textContent.includes('Play')")
    assert float(scores(page)[0]) < 0.6 * float(first[0])
    click(page, "Rewind")
    ready(page, 0)
    assert scores(page) == first
    for number in range(1, 5):
        click(page, "Step")
        ready(page, number)
    assert scores(page) == fourth


def test_the_space_key_plays_and_leaving_the_tab_pauses(open_page):
    page = open_page(SMALL)
    ready(page)
    page.locator(".pg-region h2").click()
    page.keyboard.press(" ")
    until(lambda: step(page) > 5)
    page.keyboard.press(" ")
    assert "Play" in page.locator(".pg-play").inner_text()
    page.keyboard.press(" ")
    page.locator("#tab-train").click()
    page.locator("#tab-playground").click()
    assert "Play" in page.locator(".pg-play").inner_text()
    assert fields(page)["seed"] == "4"


def test_the_address_is_the_whole_state(open_page):
    page = open_page(SMALL)
    ready(page)
    page.get_by_label("Activation").select_option("relu")
    page.get_by_label("Regularization").select_option("l2")
    page.get_by_role("button", name="Add a hidden layer").click()
    page.get_by_role("button", name="One unit fewer in layer 2").click()
    page.get_by_label("Learning rate").select_option("0.03")
    ready(page)
    click(page, "Epoch")
    ready(page, 3)
    page.get_by_label("Learning rate").select_option("0.003")
    click(page, "Step")
    ready(page, 4)
    until(lambda: fields(page)["step"] == "4")
    said = fields(page)
    assert said["hidden"] == "6-5"
    assert said["rate"] == "0.03~3:0.003"
    assert (said["activation"], said["regularization"], said["strength"]) == ("relu", "l2", "0.001")
    other = open_page(page.evaluate("location.hash"))
    ready(other, 4)
    assert scores(other) == scores(page)
    until(lambda: other.evaluate("location.hash") == page.evaluate("location.hash"))
    page.evaluate("(hash) => { location.hash = hash }", SMALL)  # another address, on the same page
    ready(page, 0)
    until(lambda: fields(page)["hidden"] == "6")
    assert page.locator(".pg-unit").count() == 2 + 6 + 2


def test_an_address_that_makes_no_sense_is_read_as_far_as_it_does(open_page):
    page = open_page("#playground?data=maroon&samples=100&hidden=99-x&rate=0&seed=7&points=!!&batch=&noise=&step=-1")
    ready(page)
    assert (fields(page)["data"], fields(page)["samples"], fields(page)["hidden"]) == ("moons", "100", "4-4")
    assert (fields(page)["seed"], fields(page)["noise"], fields(page)["batch"]) == ("7", "0.2", "16")


def test_points_are_painted_with_mouse_and_keys(open_page):
    page = open_page("#playground?data=own&hidden=4")
    until(lambda: "at least four" in page.locator(".pg-status").inner_text())
    assert page.locator(".pg-play").is_disabled()
    frame = page.locator(".pg-plane").bounding_box()
    page.mouse.move(frame["x"] + 60, frame["y"] + 60)
    page.mouse.down()
    page.mouse.move(frame["x"] + 200, frame["y"] + 60, steps=10)
    page.mouse.up()
    page.get_by_role("radio", name="3", exact=True).click()
    page.locator(".pg-plane").focus()
    for key in ("ArrowDown", "ArrowDown", " ", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    ready(page)
    page.wait_for_function("() => document.querySelectorAll('.pg-unit').length === 2 + 4 + 4")
    until(lambda: fields(page)["points"][::5][-3:] == "033")
    points = fields(page)["points"]
    assert len(points) >= 5 * 6
    assert len(points) % 5 == 0
    page.get_by_text("Paste points").click()
    click(page, "Show mine")
    lines = page.get_by_label("x₁, x₂, class").input_value().splitlines()
    assert lines[-2:] == ["0, -0.5, 3", "0.25, -0.5, 3"]
    click(page, "Undo")
    until(lambda: len(fields(page)["points"]) == len(points) - 5)
    click(page, "Clear")
    until(lambda: fields(page)["points"] == "")
    assert page.locator(".pg-play").is_disabled()


def test_points_are_pasted_and_scaled(open_page):
    page = open_page("#playground?data=own&hidden=3&batch=all")
    page.get_by_text("Paste points").click()
    text = page.get_by_label("x₁, x₂, class")
    text.fill("height, weight, sex\n170, 60, f\n180 80 m\n160; 50; f\n190, 90, m\n")
    click(page, "Use these")
    ready(page)
    assert "4 points of 2 classes, scaled" in page.locator(".pg-own [role=status]").inner_text()
    click(page, "Show mine")
    assert text.input_value().splitlines()[1] == "0.448, 0.632, 1"
    text.fill("0, 0, 0\n1, 1")
    click(page, "Use these")
    assert "Line 2 should look like" in page.locator(".pg-own [role=status]").inner_text()


def test_every_choice_is_known_to_the_server(open_page):
    page = open_page(SMALL)
    ready(page)
    for label in ("Batch size", "Optimizer", "Activation", "First weights", "Regularization", "Strength λ"):
        select = page.get_by_label(label)
        values = select.locator("option").evaluate_all("(all) => all.map((one) => one.value)")
        assert len(values) >= 3
        for value in values[1:] + values[:1] if label != "Regularization" else values:
            with page.expect_response("**/api/playground/start") as answer:
                select.select_option(value)
            assert answer.value.ok
    for name in ("Moons", "Spirals", "Blobs", "XOR"):
        with page.expect_response("**/api/playground/start") as answer:
            page.get_by_role("radio", name=name).click()
        assert answer.value.ok
    for name in ("New points", "New seed"):
        before = fields(page)
        click(page, name)
        until(lambda: fields(page) != before)  # noqa: B023
    ready(page)
    click(page, "Step")
    ready(page, 1)
    assert page.locator("#notice").inner_text() == ""
    assert page.locator(".pg-unit").count() == 2 + 6 + 2


def test_units_and_weights_tell_of_themselves(open_page):
    page = open_page(SMALL)
    ready(page)
    page.get_by_role("button", name="layer 1, unit 3").hover()
    assert page.locator(".pg-region h2").inner_text() == "What unit 3 of layer 1 sees"
    said = page.locator(".pg-net .pg-said")
    assert re.fullmatch(r"layer 1, unit 3: bias 0\.00; weights −?\d\.\d\d, −?\d\.\d\d", said.inner_text())
    unit, first = (page.get_by_role("button", name=name).bounding_box() for name in ("layer 1, unit 1", "input x₁"))
    middle = [(one["x"] + one["width"] / 2, one["y"] + one["height"] / 2) for one in (unit, first)]
    page.mouse.move(*(sum(both) / 2 for both in zip(*middle, strict=True)))
    assert re.fullmatch(r"weight −?\d\.\d\d: input x₁ → layer 1, unit 1", said.inner_text())
    assert page.locator(".pg-region h2").inner_text() == "What the network decides"
    page.get_by_role("button", name="layer 1, unit 2").focus()
    assert page.locator(".pg-region h2").inner_text() == "What unit 2 of layer 1 sees"


def test_divergence_is_a_lesson(open_page):
    page = open_page("#playground?data=moons&activation=relu&optimizer=sgd&rate=10&init=normal-1&hidden=16-16&batch=1")
    ready(page)
    page.get_by_role("button", name="Play").click()
    page.locator(".pg-status.bad").wait_for()
    assert "smaller learning rate" in page.locator(".pg-status").inner_text()
    assert page.locator(".pg-play").is_disabled()
    page.get_by_label("Learning rate").select_option("0.01")
    ready(page)
    assert page.locator(".pg-status.bad").count() == 0


def test_the_program_is_shown(open_page):
    page = open_page(SMALL)
    ready(page)
    click(page, "Epoch")
    ready(page, 3)
    click(page, "Copy as Python")
    program = page.get_by_label("The program")
    until(lambda: "epochs=1, batch_size=32" in program.input_value())
    world: dict = {}
    exec(program.input_value(), world)
    assert f"{world['model'].evaluate(world['validation'])['loss']:.4f}" == scores(page)[2]
    click(page, "Close")
    assert not program.is_visible()


def test_a_training_that_the_server_forgot_becomes_what_it_was(browser, served):
    page = browser.new_page()  # not open_page's: the browser tells its console of every 404
    page.goto(f"{served}/{SMALL}")
    ready(page)
    click(page, "Epoch")
    ready(page, 3)
    click(page, "Step")
    ready(page, 4)
    fourth = scores(page)
    click(page, "Rewind")
    ready(page, 0)
    click(page, "Epoch")
    ready(page, 3)

    def forgotten(route):
        route.continue_(post_data=json.dumps({**route.request.post_data_json, "session": "gone"}))

    page.route("**/api/playground/advance", forgotten, times=1)
    with (
        page.expect_response("**/api/playground/start") as started,
        page.expect_response("**/api/playground/advance") as refused,
    ):
        click(page, "Step")
    assert (refused.value.status, started.value.status) == (404, 200)
    ready(page, 4)
    assert scores(page) == fourth
    assert page.locator("#notice").inner_text() == ""
    page.context.close()


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (900, "light"), (1920, "light")])
def test_nothing_moves_and_nothing_sticks_out(open_page, width, scheme):
    page = open_page(SMALL + "&pace=1", width=width, height=800, scheme=scheme)
    ready(page)
    page.evaluate(
        """() => { window.moved = 0;
            new PerformanceObserver((list) => list.getEntries().forEach((one) => { moved += one.value }))
            .observe({type: "layout-shift"}) }"""
    )
    page.get_by_role("button", name="Play").click()
    until(lambda: step(page) > 20)
    page.get_by_role("button", name="Pause").click()
    assert page.evaluate("moved") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('#playground :is(button, input, select, textarea)')].filter((one) =>
            !(one.ariaLabel || one.labels?.length || one.textContent.trim())).map((one) => one.outerHTML)"""
    )
    assert unnamed == []
