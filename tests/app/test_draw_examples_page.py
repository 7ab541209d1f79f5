"""The drawings to choose from, the steps from the strokes to the image, and what the page says about its confidence."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest
from conftest import SEVEN, ZERO, draw, settle, strokes_of, unpack, until, wait_for_predictions

from pellucid.app.networks import Networks
from pellucid.data import digit

MEASURED = [
    {"word": "almost certain", "from": 0.9, "answers": 2400, "wrong": 10},
    {"word": "fairly certain", "from": 0.6, "answers": 400, "wrong": 0},
    {"word": "uncertain", "from": 0.0, "answers": 10, "wrong": 4},
]


def test_the_networks_of_the_package_read_the_examples(client):
    networks = Networks()
    networks.add_pair()
    examples = client.get("/api/draw/examples").json()["examples"]
    assert [one["label"] for one in examples] == list("0123456789")
    for one in examples:
        points = np.concatenate([np.array(stroke) for stroke in one["strokes"]])
        assert points.min() >= 150
        assert points.max() <= 850
        for network in networks.select(None):
            assert network.predict(digit(one["strokes"])[None])["label"] == one["label"]


def test_a_click_puts_an_example_on_the_pad_of_each_tab_that_has_one(open_page, client):
    page = open_page()
    seven = client.get("/api/draw/examples").json()["examples"][7]["strokes"]
    predicted = [one["label"] for one in client.post("/api/predict", json={"strokes": seven}).json()["predictions"]]
    page.get_by_role("button", name="Put a 7 on the pad").click()
    wait_for_predictions(page, *predicted)
    assert page.locator(".pad .hint").is_hidden()
    page.get_by_role("tab", name="Inside").click()
    page.get_by_role("button", name="Put a 0 on the pad").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_text("The predictions appear here").wait_for()


FRAME = "() => document.querySelector('.steps-canvas').toDataURL()"
PIXELS = """() => {
    const canvas = document.querySelector('.steps-canvas'), side = canvas.width, shown = [];
    const {data} = canvas.getContext('2d').getImageData(0, 0, side, side);
    const at = (i) => Math.round((i + 0.3) * side / 28);               // beside the lines of the grid
    for (let i = 0; i < 784; i++) shown.push(data[4 * (at(Math.floor(i / 28)) * side + at(i % 28)) + 2]);
    return shown;
}"""


def test_the_last_step_shows_the_image_that_the_networks_receive(open_page, client):
    page = open_page()
    draw(page, ZERO)
    wait_for_predictions(page, "0", "0")
    strokes = strokes_of(page)
    page.get_by_text("How the strokes become an image").click()
    page.get_by_role("radio", name="1 Pen").click()
    settle(page)
    first = page.evaluate(FRAME)
    page.get_by_role("radio", name="4 Image").click()
    page.get_by_text("784 numbers").wait_for()
    settle(page)
    assert page.evaluate(FRAME) != first
    image = unpack(client.post("/api/predict", json={"strokes": strokes}).json()["image"], "u1")
    shown = np.array(page.evaluate(PIXELS))
    assert shown[image < 5].mean() + 120 < shown[image > 250].mean()


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_animation_goes_through_all_steps(open_page, motion):
    page = open_page(own=True)
    page.emulate_media(reduced_motion=motion)
    page.clock.install()
    page.get_by_text("How the strokes become an image").click()
    play = page.locator(".steps button.main")
    assert play.is_disabled()
    page.get_by_text("Draw a digit first").wait_for()
    page.get_by_role("button", name="Put a 7 on the pad").click()  # one request: later answers would end the animation
    until(play.is_enabled)
    page.clock.pause_at(datetime.now() + timedelta(hours=1))
    play.click()
    seen, frames = [], set()
    for _ in range(40):
        page.clock.run_for(200)
        seen.append(page.locator(".steps [aria-checked=true]").inner_text())
        frames.add(page.evaluate(FRAME))
    assert list(dict.fromkeys(seen)) == ["1 Pen", "2 Even", "3 Scaled", "4 Image"]
    assert play.inner_text() == "Play"
    assert (len(frames) > 8) == (motion == "no-preference"), "with reduced motion there are four pictures"


def test_words_say_how_often_such_answers_were_wrong(open_page, state):
    state.networks.get("mlp-small").confidence = MEASURED
    page = open_page()
    words = """([confidence, measured]) => import('/static/tabs/draw-confidence.js').then(({confidenceText, rateText}) =>
        [confidenceText({is_digit: true, confidence, second: '8'}, measured), rateText(confidence, measured)])"""
    assert page.evaluate(words, [0.91, MEASURED]) == [
        "Almost certain: 91 %.",
        "On drawings of strangers, 1 of 240 such answers was wrong.",
    ]
    assert page.evaluate(words, [0.7, MEASURED]) == [
        "Fairly certain: 70 %; otherwise an 8.",
        "On drawings of strangers, none of 400 such answers was wrong.",
    ]
    assert page.evaluate(words, [0.4, MEASURED]) == [
        "Uncertain: 40 %; maybe an 8.",
        "On drawings of strangers, 40 % of such answers were wrong.",
    ]
    assert page.evaluate(words, [0.91, None]) == ["Fairly certain: 91 %; otherwise an 8.", ""]
    assert page.evaluate(words, [0.9999, None]) == ["Almost certain: over 99.9 %.", ""]
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    comments = page.locator(".prediction .comment").all_inner_texts()
    assert ["strangers" in one for one in comments] == [True, False]
