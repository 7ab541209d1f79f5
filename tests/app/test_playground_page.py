"""The tab Playground in a browser: training, repeating, addresses, user data, the Python program."""

from __future__ import annotations

import json
import re

import pytest
from conftest import LIMIT, settle, until

STEP = ".playground-counter b >> nth=1"
SMALL = "#playground?data=circles&samples=100&hidden=6&optimizer=adam&learning_rate=0.05&batch_size=32&seed=4"


def ready(page, steps: int = 0):
    """Wait until the page shows the network after this number of steps."""
    page.wait_for_function(
        "(steps) => document.querySelectorAll('.playground-counter b')[1]?.textContent === String(steps)"
        " && !document.querySelector('.playground-play').disabled",
        arg=steps,
    )


def step(page) -> int:
    return int(page.locator(STEP).inner_text().replace(",", ""))


def scores(page) -> list[str]:
    return page.locator(".playground-scores tbody td").all_inner_texts()


def click(page, name: str):
    page.get_by_role("button", name=name, exact=True).click()


def fields(page) -> dict[str, str]:
    """Return the fields of the address."""
    return dict(part.split("=") for part in page.evaluate("location.hash").split("?")[1].split("&"))


def test_play_trains_and_rewind_repeats(open_page):
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
    until(lambda: float(scores(page)[0]) < 0.6 * float(first[0]))
    assert step(page) > 10
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function("() => document.querySelector('.playground-play').textContent.includes('Play')")
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
    page.locator(".playground-region h2").click()
    page.keyboard.press(" ")
    until(lambda: step(page) > 5)
    page.keyboard.press(" ")
    until(lambda: "Play" in page.locator(".playground-play").inner_text())
    page.keyboard.press(" ")
    until(lambda: "Pause" in page.locator(".playground-play").inner_text())
    page.locator("#tab-train").click()
    page.locator("#tab-playground").click()
    until(lambda: "Play" in page.locator(".playground-play").inner_text())
    until(lambda: fields(page).get("seed") == "4")


def test_the_address_is_the_whole_state(open_page):
    page = open_page(SMALL)
    ready(page)
    page.get_by_label("Activation").select_option("relu")
    page.get_by_label("Regularization").select_option("l2")
    page.get_by_role("button", name="Add a hidden layer").click()
    page.get_by_role("button", name="Remove a unit from layer 2").click()
    page.get_by_label("Learning rate").select_option("0.03")
    ready(page)
    click(page, "Epoch")
    ready(page, 3)
    page.get_by_label("Learning rate").select_option("0.003")
    click(page, "Step")
    ready(page, 4)
    until(lambda: fields(page)["step"] == "4")
    address = fields(page)
    assert address["hidden"] == "6-5"
    assert address["learning_rate"] == "0.03~3:0.003"
    assert (address["activation"], address["regularization"], address["strength"]) == ("relu", "l2", "0.001")
    other = open_page(page.evaluate("location.hash"))
    ready(other, 4)
    assert scores(other) == scores(page)
    until(lambda: other.evaluate("location.hash") == page.evaluate("location.hash"))
    page.evaluate("(hash) => { location.hash = hash }", SMALL)  # another address, on the same page
    ready(page, 0)
    until(lambda: fields(page)["hidden"] == "6")
    assert page.locator(".playground-unit").count() == 2 + 6 + 2


def test_invalid_fields_of_an_address_have_their_defaults(open_page):
    page = open_page(
        "#playground?data=maroon&samples=100&hidden=99-x&learning_rate=0&seed=7&points=!!&batch_size=&noise=&step=-1"
        "&features=x3~x1&validation=1&edits=0:1_1_9_1~1:2"
    )
    ready(page)
    assert (fields(page)["data"], fields(page)["samples"], fields(page)["hidden"]) == ("moons", "100", "4-4")
    assert (fields(page)["seed"], fields(page)["noise"], fields(page)["batch_size"]) == ("7", "0.2", "16")
    assert not {"features", "validation", "edits"} & set(fields(page))


def test_points_are_added_with_mouse_and_keys(open_page):
    page = open_page("#playground?data=user&hidden=4")
    until(lambda: "at least four" in page.locator(".playground-status").inner_text())
    assert page.locator(".playground-play").is_disabled()
    frame = page.locator(".playground-plane").bounding_box()
    page.mouse.move(frame["x"] + 60, frame["y"] + 60)
    page.mouse.down()
    page.mouse.move(frame["x"] + 200, frame["y"] + 60, steps=10)
    page.mouse.up()
    page.get_by_role("radio", name="3", exact=True).click()
    page.locator(".playground-plane").focus()
    for key in ("ArrowDown", "ArrowDown", " ", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    ready(page)
    page.wait_for_function("() => document.querySelectorAll('.playground-unit').length === 2 + 4 + 4")
    until(lambda: fields(page)["points"][::5][-3:] == "033")
    points = fields(page)["points"]
    assert len(points) >= 5 * 6
    assert len(points) % 5 == 0
    page.get_by_text("Paste points").click()
    click(page, "Show current")
    lines = page.get_by_label("x₁, x₂, class").input_value().splitlines()
    assert lines[-2:] == ["0, -0.5, 3", "0.25, -0.5, 3"]
    click(page, "Undo")
    until(lambda: len(fields(page)["points"]) == len(points) - 5)
    click(page, "Clear")
    until(lambda: fields(page)["points"] == "")
    until(page.locator(".playground-play").is_disabled)


def test_points_are_pasted_and_scaled(open_page):
    page = open_page("#playground?data=user&hidden=3&batch_size=all")
    page.get_by_text("Paste points").click()
    text = page.get_by_label("x₁, x₂, class")
    text.fill("height, weight, sex\n170, 60, f\n180 80 m\n160; 50; f\n190, 90, m\n")
    click(page, "Use these")
    ready(page)
    assert "4 points of 2 classes, scaled" in page.locator(".playground-editor [role=status]").inner_text()
    click(page, "Show current")
    assert text.input_value().splitlines()[1] == "0.448, 0.632, 1"
    text.fill("0, 0, 0\n1, 1")
    click(page, "Use these")
    assert "Line 2: expected a line like" in page.locator(".playground-editor [role=status]").inner_text()


def test_the_server_knows_every_option(open_page):
    page = open_page(SMALL)
    ready(page)
    for label in ("Batch size", "Optimizer", "Activation", "Initial weights", "Regularization", "Strength λ"):
        select = page.get_by_label(label)
        values = select.locator("option").evaluate_all("(all) => all.map((one) => one.value)")
        assert len(values) >= 3
        for value in values[1:] + values[:1] if label != "Regularization" else values:
            with page.expect_response("**/api/playground/start") as answer:
                select.select_option(value)
            assert answer.value.ok
    for name in ("Moons", "Spirals", "Blobs", "XOR", "Plane", "Saddle", "Ripples"):
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
    assert page.locator(".playground-unit").count() == 2 + 6 + 1


def test_inputs_and_the_share_of_validation(open_page):
    page = open_page(SMALL)
    ready(page)
    for name in ("sin x₂", "x₁x₂", "x₁"):
        click(page, name)
    until(lambda: fields(page).get("features") == "x2~x1*x2~sin(x2)")  # one input more, two more, two more and one less
    page.wait_for_function("() => document.querySelectorAll('.playground-unit').length === 3 + 6 + 2")
    with page.expect_response(lambda one: one.url.endswith("/start") and one.request.post_data_json["validation"] == 0.5):
        page.get_by_label("For validation").fill("0.5")
    ready(page)
    until(lambda: fields(page).get("validation") == "0.5")
    click(page, "Step")
    ready(page, 1)  # the network is the one with these inputs and points
    click(page, "Epoch")
    ready(page, 2)  # 50 points in batches of 32
    until(lambda: fields(page)["step"] == "2")
    other = open_page(page.evaluate("location.hash"))
    ready(other, 2)
    assert scores(other) == scores(page)
    for name in ("x₂", "x₁x₂"):
        click(page, name)
    last = page.get_by_role("button", name="sin x₂", exact=True)
    until(last.is_disabled)
    assert last.get_attribute("aria-pressed") == "true"


def test_weights_are_set_by_hand(open_page):
    page = open_page(SMALL)
    ready(page)
    click(page, "Epoch")
    ready(page, 3)
    trained = scores(page)
    unit = page.get_by_role("button", name="layer 1, unit 2")
    unit.focus()
    page.keyboard.press("Enter")  # the keyboard arrives in the first field
    page.keyboard.type("2.5")
    page.keyboard.press("Enter")
    until(lambda: fields(page).get("edits") == "3:1_1_2_2.5")
    until(lambda: scores(page) != trained)
    first = scores(page)
    page.get_by_label("bias").fill("-1")
    page.get_by_label("bias").blur()
    until(lambda: fields(page).get("edits") == "3:1_1_2_2.5~3:1_0_2_-1")
    until(lambda: scores(page) not in (trained, first))
    changed = scores(page)
    page.get_by_label("from input x₂").fill("5000")  # too large
    page.get_by_label("from input x₂").blur()
    assert float(page.get_by_label("from input x₂").input_value()) < 10
    click(page, "Copy as Python")
    program = page.get_by_label("Python program")
    until(lambda: 'model.weights["dense1.W"][0, 1] = 2.5' in program.input_value())
    world: dict = {}
    exec(program.input_value(), world)
    assert f"{world['model'].evaluate(world['validation'])['loss']:.4f}" == changed[2]
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    click(page, "Step")
    ready(page, 4)
    until(lambda: fields(page)["step"] == "4")
    other = open_page(page.evaluate("location.hash"))
    ready(other, 4)
    assert scores(other) == scores(page)
    click(page, "Undo all set by hand")
    ready(page, 4)
    until(lambda: "edits" not in fields(page))
    click(page, "Rewind")
    ready(page, 0)
    click(page, "Epoch")
    ready(page, 3)
    assert scores(page) == trained


def test_weights_set_before_the_first_step_are_kept_while_they_exist(open_page):
    page = open_page(SMALL + "&edits=0:1_2_3_0.5~2:2_0_1_1")
    ready(page)
    assert fields(page)["edits"] == "0:1_2_3_0.5~2:2_0_1_1"
    click(page, "Epoch")
    ready(page, 3)
    click(page, "Rewind")
    ready(page)
    until(lambda: fields(page)["edits"] == "0:1_2_3_0.5")
    page.get_by_role("button", name="layer 1, unit 3").click()
    assert page.get_by_label("from input x₂").input_value() == "0.5"
    page.get_by_label("Activation").select_option("relu")
    until(lambda: fields(page)["activation"] == "relu")
    ready(page)
    assert fields(page)["edits"] == "0:1_2_3_0.5"
    page.get_by_role("button", name="Add a unit to layer 1").click()
    until(lambda: fields(page)["hidden"] == "7")
    assert "edits" not in fields(page)


def test_a_click_on_a_line_selects_its_weight(open_page):
    page = open_page(SMALL)
    ready(page)
    unit, first = (page.get_by_role("button", name=name).bounding_box() for name in ("layer 1, unit 1", "input x₁"))
    middle = [(one["x"] + one["width"] / 2, one["y"] + one["height"] / 2) for one in (unit, first)]
    page.mouse.click(*(sum(both) / 2 for both in zip(*middle, strict=True)))
    assert page.get_by_label("from input x₁").evaluate("(field) => field === document.activeElement")
    assert page.locator(".playground-weights h3").inner_text() == "Weights of layer 1, unit 1"
    page.keyboard.press("Escape")
    assert not page.locator(".playground-weights").is_visible()


def test_a_regression_shows_heights(open_page):
    page = open_page("#playground?data=saddle&hidden=none&features=x1*x2&optimizer=adam&learning_rate=0.1&step=60&noise=0.1")
    ready(page, 60)
    assert page.locator(".playground-region h2").inner_text() == "Output of the network"
    assert page.locator(".playground-unit").count() == 1 + 1
    assert page.locator(".playground-scores thead").inner_text().split() == ["loss", "R²"]
    assert float(scores(page)[3]) > 0.8
    assert re.search(r"explains \d\d % of the variance", page.locator(".playground-status").inner_text())
    page.locator(".playground-plane").hover(position={"x": 30, "y": 30})
    assert re.search(
        r"x₁ −2\.\d\d, x₂ 2\.\d\d: output −\d\.\d\d", page.locator(".playground-region .playground-readout").inner_text()
    )
    page.get_by_role("radio", name="Moons").click()
    ready(page)
    page.wait_for_function("() => document.querySelectorAll('.playground-unit').length === 1 + 2")
    assert page.locator(".playground-scores thead").inner_text().split() == ["loss", "accuracy"]


def test_the_loss_surface_shows_the_path(open_page):
    page = open_page(SMALL + "&step=20")
    ready(page, 20)
    page.get_by_role("checkbox", name="Loss surface").check()
    surface = page.locator(".playground-surface")
    until(lambda: "The loss surface: from" in surface.get_attribute("aria-label"))
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    surface.hover()
    assert re.fullmatch(r"Loss [\d.]+ at this place\.", page.locator(".playground-landscape .playground-readout").inner_text())
    until(lambda: fields(page).get("surface") == "1")
    described = surface.get_attribute("aria-label")
    other = open_page(page.evaluate("location.hash"))
    until(lambda: other.locator(".playground-surface").get_attribute("aria-label") == described)
    click(page, "Rewind")
    until(lambda: "no path yet" in surface.get_attribute("aria-label"))


def test_the_tab_says_what_to_try(open_page):
    page = open_page(SMALL)
    ready(page)
    seen = set()
    for name in ("Moons", "Circles", "Spirals", "Blobs", "XOR", "Yours", "Plane", "Saddle", "Ripples"):
        page.get_by_role("radio", name=name).click()
        seen.add(page.locator(".playground-idea").inner_text())
    assert len(seen) == 9
    assert all(re.fullmatch(r"Try: .{40,140}[.?]", text) for text in seen)


def test_units_and_weights_are_described(open_page):
    page = open_page(SMALL)
    ready(page)
    page.get_by_role("button", name="layer 1, unit 3").hover()
    assert page.locator(".playground-region h2").inner_text() == "Activation of unit 3 of layer 1"
    text = page.locator(".playground-network .playground-readout")
    assert re.fullmatch(r"layer 1, unit 3: bias 0\.00; weights −?\d\.\d\d, −?\d\.\d\d", text.inner_text())
    unit, first = (page.get_by_role("button", name=name).bounding_box() for name in ("layer 1, unit 1", "input x₁"))
    middle = [(one["x"] + one["width"] / 2, one["y"] + one["height"] / 2) for one in (unit, first)]
    page.mouse.move(*(sum(both) / 2 for both in zip(*middle, strict=True)))
    assert re.fullmatch(r"weight −?\d\.\d\d: input x₁ → layer 1, unit 1", text.inner_text())
    assert page.locator(".playground-region h2").inner_text() == "Decision of the network"
    page.get_by_role("button", name="layer 1, unit 2").focus()
    assert page.locator(".playground-region h2").inner_text() == "Activation of unit 2 of layer 1"


def test_divergence_is_explained(open_page):
    page = open_page(
        "#playground?data=moons&activation=relu&optimizer=sgd&learning_rate=10&init=normal-1&hidden=16-16&batch_size=1"
    )
    ready(page)
    page.get_by_role("button", name="Play").click()
    page.locator(".playground-status.diverged").wait_for()
    assert "smaller learning rate" in page.locator(".playground-status").inner_text()
    assert page.locator(".playground-play").is_disabled()
    page.get_by_label("Learning rate").select_option("0.01")
    ready(page)
    assert page.locator(".playground-status.diverged").count() == 0


def test_the_program_is_shown(open_page):
    page = open_page(SMALL)
    ready(page)
    click(page, "Epoch")
    ready(page, 3)
    click(page, "Copy as Python")
    program = page.get_by_label("Python program")
    until(lambda: "epochs=1, batch_size=32" in program.input_value())
    world: dict = {}
    exec(program.input_value(), world)
    assert f"{world['model'].evaluate(world['validation'])['loss']:.4f}" == scores(page)[2]
    click(page, "Close")
    assert not program.is_visible()


def test_a_session_that_the_server_dropped_is_replayed(browser, served):
    page = browser.new_page()  # not with open_page: the browser reports every 404 on its console
    page.set_default_timeout(1000 * LIMIT)
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

    def drop_session(route):
        route.continue_(post_data=json.dumps({**route.request.post_data_json, "session": "dropped"}))

    page.route("**/api/playground/advance", drop_session, times=1)
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


@pytest.mark.parametrize(
    ("width", "scheme"), [(360, "dark"), (900, "light"), pytest.param(1920, "light", marks=pytest.mark.long)]
)
def test_nothing_moves_and_nothing_is_too_wide(open_page, width, scheme):
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
    settle(page)
    assert page.evaluate("moved") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('#playground :is(button, input, select, textarea)')].filter((one) =>
            !(one.ariaLabel || one.labels?.length || one.textContent.trim())).map((one) => one.outerHTML)"""
    )
    assert unnamed == []
