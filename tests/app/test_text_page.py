"""The tab Text in a browser."""

from __future__ import annotations

import re
import shutil

import pytest
from conftest import settle

from pellucid.explain import attention_weights, logit_lens, probabilities_without
from pellucid.runs.folder import open_run

TEXT = "to be, or"
PATH = "tiedembedding1.residual1.attention1"


@pytest.fixture
def model(text_runs):
    return open_run(text_runs["gpt-tiny"])[0]


@pytest.fixture
def text_page(open_page):
    """A function that opens the tab with a network of the fixtures, and types a text."""

    def opened(text=TEXT, network="gpt-tiny", **look):
        page = open_page("#text", **look)
        wait_for_answer(page)
        page.locator("#text select").select_option(network)
        typed(page, text)
        return page

    return opened


def wait_for_answer(page, after=-1):
    page.wait_for_function("(after) => Number(document.querySelector('#text').dataset.answered ?? -1) > after", arg=after)


def typed(page, text):
    page.locator("#text textarea").fill(text)
    shown(page, text)


def shown(page, text):
    """Wait until the tab shows what the network makes of this text."""
    page.wait_for_function("(text) => document.querySelector('#text').dataset.text === text", arg=text)


def bars(page):
    """The names and the percentages of what comes next."""
    return {
        name: float(p)
        for name, p in page.evaluate("""() => [...document.querySelectorAll('.text-bars button:not([hidden])')].map((one) =>
            [one.querySelector('.text-token').textContent, /: ([0-9.]+) %/.exec(one.ariaLabel)[1]])""")
    }


def expected_bars(model, p):
    return {sign(model.tokenizer.name(int(i))): pytest.approx(100 * float(p[i]), abs=0.06) for i in (-p).argsort()[:12]}


def sign(name):
    return name.replace("\\n", "↵")


def painted(page, selector):
    """The number of pixels of a canvas that are not those of its corner."""
    return page.evaluate(
        """(selector) => {
            const canvas = document.querySelector(selector), {width, height} = canvas;
            const data = canvas.getContext('2d').getImageData(0, 0, width, height).data;
            const corner = data.slice(-4);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) count += corner.some((value, c) => data[i + c] !== value);
            return count;
        }""",
        selector,
    )


def test_each_key_press_shows_what_comes_next_and_a_click_appends_it(text_page, model):
    page = text_page()
    assert bars(page) == expected_bars(model, model.predict(TEXT)[-1])
    page.locator("#text textarea").press_sequentially(" no")
    shown(page, TEXT + " no")
    assert bars(page) == expected_bars(model, model.predict(TEXT + " no")[-1])
    p = model.predict(TEXT + " no")[-1]
    second = model.tokenizer.decode([(-p).argsort()[1]])
    page.locator(".text-bars button").nth(1).click()
    shown(page, f"{TEXT} no{second}")
    assert page.locator("#text textarea").input_value() == f"{TEXT} no{second}"
    labels = page.evaluate(
        "() => [...document.querySelectorAll('.text-bars button:not([hidden])')].map((one) => one.ariaLabel)"
    )
    assert all(re.fullmatch(r"Append (space|newline|“[a-z,.]”): \d+\.\d %", one) for one in labels), labels


def test_it_writes_as_generate_does_and_stops(text_page, model):
    page = text_page("to")
    expected = "to" + "".join(model.generate("to", length=40, seed=5, temperature=0.7, top_k=5))
    for label, value in (("Temperature", "0.7"), ("Top k", "5"), ("Seed", "5")):
        page.get_by_label(label, exact=True).fill(value)
    write = page.locator(".text-tools button")
    write.click()
    page.wait_for_function("() => document.querySelector('#text textarea').value.length > 12")
    assert write.inner_text() == "Stop"
    write.click()
    page.wait_for_function("() => document.querySelector('.text-tools button').textContent === 'Write'")
    text = page.locator("#text textarea").input_value()
    shown(page, text)
    assert expected.startswith(text[:40])
    settle(page)
    assert page.locator("#text textarea").input_value() == text, "it has stopped"
    write.click()
    page.wait_for_function("(before) => document.querySelector('#text textarea').value.length > before", arg=len(text))
    page.locator("#text textarea").press("End")
    page.keyboard.insert_text("x")  # whoever types goes on alone
    page.wait_for_function("() => document.querySelector('.text-tools button').textContent === 'Write'")
    settle(page)
    assert "x" in page.locator("#text textarea").input_value()


def test_a_line_ends(text_page, text_runs):
    page = text_page("", "gru-names")
    model = open_run(text_runs["gru-names"])[0]
    assert page.locator(".text-token").first.is_visible(), "nothing needs to be typed"
    page.get_by_label("Temperature").fill("1")
    page.locator(".text-tools button").click()
    page.get_by_text("The network has ended the line.").wait_for()
    assert page.locator("#text textarea").input_value() == "".join(model.generate("", length=100, seed=0))


def test_heads_are_switched_off_and_on(text_page, model):
    page = text_page()
    before = model.predict(TEXT)[-1]
    page.get_by_label("Layer 1, head 2 is on").uncheck()
    page.locator(".text-change").wait_for(state="visible")
    p = probabilities_without(model, TEXT, heads=[(PATH, 1)])[-1]
    assert f"{50 * abs(p - before).sum():.1f} % of the probability moves" in page.locator(".text-change").inner_text()
    assert all(
        value == pytest.approx(100 * p[model.tokenizer.names.index(name.replace("↵", "\\n"))], abs=0.06)
        for name, value in bars(page).items()
    )
    assert "with all parts" in page.locator(".text-bars button").first.get_attribute("aria-label")
    page.get_by_label("Block attention 2 is on").uncheck()
    both = probabilities_without(model, TEXT, heads=[(PATH, 1)], blocks=["tiedembedding1.residual3"])[-1]
    moved = f"{50 * abs(both - before).sum():.1f} %"
    page.wait_for_function("(moved) => document.querySelector('.text-change').textContent.includes(moved)", arg=moved)
    page.get_by_role("button", name="Switch all on").click()
    page.locator(".text-change").wait_for(state="hidden")
    assert bars(page) == expected_bars(model, before)
    assert page.locator("#text input[type=checkbox]:not(:checked)").count() == 0


def test_attention_can_be_read_by_mouse_and_keyboard(text_page, model):
    page = text_page()
    weights = attention_weights(model, TEXT)[PATH]
    line, strip, matrix = page.locator(".text-reading"), page.locator(".text-strip"), page.locator(".text-matrix")
    top = int(weights[0, -1].argmax())
    assert f"{100 * weights[0, -1, top]:.0f} % from" in line.inner_text()
    settle(page)
    assert painted(page, ".text-strip") > 500
    assert painted(page, ".text-matrix") > 500
    strip.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.querySelector('.text-strip').ariaValueNow === '6'")
    assert strip.get_attribute("aria-valuetext") == "space at position 6"
    page.wait_for_function("() => document.querySelector('.text-reading').textContent.includes('at position 6 takes')")
    assert f"{100 * weights[0, 6].max():.0f} %" in line.inner_text()
    matrix.focus()
    page.keyboard.press("ArrowLeft")
    cell = page.locator(".text-cell")
    assert cell.inner_text() == f"space at 6 takes {100 * weights[0, 6, 5]:.1f} % from “,” at 5."
    box = matrix.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 1.5 / 9, box["y"] + box["height"] * 3.5 / 9)
    assert cell.inner_text() == f"“b” at 3 takes {100 * weights[0, 3, 1]:.1f} % from “o” at 1."
    page.get_by_role("radio", name="Layer 1, head 1").focus()
    page.keyboard.press("ArrowDown")
    page.locator("[aria-checked=true][aria-label='Layer 2, head 1']").wait_for()
    other = attention_weights(model, TEXT)["tiedembedding1.residual3.attention1"]
    page.wait_for_function(
        "(text) => document.querySelector('.text-reading').textContent.includes(text)",
        arg=f"{100 * other[0, 6].max():.0f} % from",
    )
    assert page.evaluate("document.activeElement.ariaLabel") == "Layer 2, head 1"


def test_the_lens_shows_the_guesses_after_each_block(text_page, model):
    page = text_page()
    lens, answer = logit_lens(model, TEXT), int(model.predict(TEXT)[-1].argmax())
    rows = page.locator(".text-lens tbody tr")
    assert rows.locator("th").all_inner_texts() == ["reading", "attention 1", "dense layers 1", "attention 2", "dense layers 2"]
    for row, z in zip(rows.all(), lens.values(), strict=True):
        p = softmax(z[-1])
        first = row.locator(".guess").first.get_attribute("title")
        assert f": {100 * p.max():.1f} %" in first
        assert row.locator("td.numbers").inner_text() == chance(p[answer])
    assert page.locator(".text-lens thead th").last.inner_text() == sign(model.tokenizer.name(answer))
    page.locator(".text-strip").focus()
    page.keyboard.press("Home")
    page.get_by_text("would expect after “t” at position 0").wait_for()


def test_other_networks_show_what_they_have_and_errors_are_shown(text_page):
    page = text_page("abc", "gru-names")
    assert page.get_by_text("This network has no attention.").is_visible()
    assert page.locator(".text-matrix").is_hidden()
    assert page.get_by_role("heading", name="Guesses on the way").is_hidden()
    before = bars(page)
    page.locator("#text textarea").press("End")
    page.locator("#text textarea").press_sequentially("%")
    page.get_by_text("the character '%' at position 3").wait_for()
    assert bars(page) == before, "the last answer remains"
    assert page.locator("#text.text-outdated").count() == 1
    typed(page, "abcd")
    assert page.locator(".text-status").inner_text() == ""
    assert page.locator("#text.text-outdated").count() == 0
    page.locator("#text select").select_option("bigram")
    typed(page, "abc.")
    page.locator("#text textarea").fill("")
    page.get_by_text("Type the beginning of a text.").wait_for()


def test_what_was_typed_is_kept_and_the_list_is_renewed(text_page, text_state, text_runs, state, tmp_path):
    page = text_page("to b", "bigram")  # not the first one of the list
    page.get_by_role("tab", name="Draw").click()
    shutil.copytree(text_runs["bigram"], tmp_path / "new-run")
    state.texts.add(tmp_path / "new-run")
    page.get_by_role("tab", name="Text").click()
    page.locator("#text option[value=new-run]").wait_for(state="attached")
    assert page.locator("#text textarea").input_value() == "to b"
    assert page.locator("#text select").input_value() == "bigram"
    assert page.get_by_text("those that read digits are on the tab Draw").is_visible()
    assert page.get_by_text("pellucid train my.txt --model gpt").is_visible()


def softmax(z):
    from numpy import exp

    return exp(z - z.max()) / exp(z - z.max()).sum()


def chance(p):
    return f"{100 * p:.0f} %" if p >= 0.0995 else f"{100 * p:.1f} %" if p >= 0.0005 else "0 %"
