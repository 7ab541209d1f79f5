"""The tab Why in a browser."""

from __future__ import annotations

import re

from conftest import SEVEN, draw, open_tab, wait_for_predictions

METHODS = "[...document.querySelectorAll('.attributions article:has(dd)')].map((one) => one.dataset.method)"


def test_three_methods_come_first_and_the_others_are_folded(open_page, mnist_folder):
    page = open_page("#why", own=True)
    requests = []
    page.on("request", lambda request: requests.append((request.url, request.post_data_json)))
    draw(page, SEVEN)
    page.wait_for_function("() => document.querySelector('#why').dataset.answered")
    assert page.evaluate(METHODS) == ["occlusion", "integrated-gradients", "deeplift"]
    computed = {data["method"] for url, data in requests if "attribution" in url}
    assert computed == {"occlusion", "integrated-gradients", "deeplift"}, "what is folded is not computed"
    missing = page.locator("[data-method=integrated-gradients] dd").nth(2).inner_text()
    assert re.fullmatch(r"less than 0\.01 logits|0\.\d\d logits \(\d+\.\d %\)", missing)
    page.get_by_text("More methods").click()
    page.wait_for_function(f"() => {METHODS}.length === document.querySelectorAll('.attributions article').length")
    assert len(page.evaluate(METHODS)) > 3
    for text in page.locator(".attributions dd").all_inner_texts():
        assert re.search(r" (logits|ms)|conv2d", text), f"{text}: no unit"
    assert page.locator("[data-method=saliency] dt").all_inner_texts() == ["most sensitive pixel", "time"]


def test_the_class_and_the_network_can_be_chosen(open_page, mnist_folder):
    page = open_page()
    draw(page, SEVEN)
    wait_for_predictions(page, "7", "7")
    open_tab(page, "Why")  # after the last stroke: on the tab, a slow one would be explained before its end
    before = page.locator("[data-method=occlusion] dd").first.inner_text()
    page.locator("#why select").nth(2).select_option("1")
    page.wait_for_function("(old) => document.querySelector('[data-method=occlusion] dd').textContent !== old", arg=before)
    assert page.locator("#why select").nth(2).locator("option:disabled").all_inner_texts() == ["7"], "not 7 and not 7"
    page.locator("#why select").nth(1).select_option("1")  # as the list "and not": that is dropped
    page.wait_for_function("() => document.querySelectorAll('#why select')[2].value === ''")
    assert page.locator("#why select").nth(2).locator("option:disabled").all_inner_texts() == ["1"]
    page.locator("#why select").nth(1).select_option("")
    page.get_by_text("More methods").click()
    page.locator("#why select").first.select_option(index=0)  # the MLP has no convolution
    status = "document.querySelector('[data-method=grad-cam] [role=status]')"
    page.wait_for_function(f"() => {status}.textContent.includes('another method')")
