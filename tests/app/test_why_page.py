"""The tab Why in a browser."""

from __future__ import annotations

from conftest import SEVEN, draw


def test_every_method_is_shown_with_its_error(open_page, mnist_folder):
    page = open_page("#why")
    draw(page, SEVEN)
    page.wait_for_function("() => document.querySelectorAll('.attributions dd').length === 28")  # four values of seven methods
    articles = page.locator(".attributions article:has(dd)")
    methods = articles.evaluate_all("(all) => all.map((one) => one.dataset.method)")
    errors = dict(zip(methods, page.locator(".attributions dd:nth-of-type(3)").all_inner_texts(), strict=True))
    assert float(errors["integrated-gradients"]) < 0.5
    assert errors["saliency"].endswith("*")
    before = page.locator("[data-method=occlusion] dd").first.inner_text()
    page.locator("#why select").nth(2).select_option("1")
    page.wait_for_function("(old) => document.querySelector('[data-method=occlusion] dd').textContent !== old", arg=before)
    assert page.locator("#why select").nth(2).locator("option:disabled").all_inner_texts() == ["7"], "not 7 and not 7"
    page.locator("#why select").nth(1).select_option("1")  # as the list "and not": that is dropped
    page.wait_for_function("() => document.querySelectorAll('#why select')[2].value === ''")
    assert page.locator("#why select").nth(2).locator("option:disabled").all_inner_texts() == ["1"]
    page.locator("#why select").nth(1).select_option("")
    page.locator("#why select").first.select_option(index=0)  # the MLP has no convolution
    status = "document.querySelector('[data-method=grad-cam] [role=status]')"
    page.wait_for_function(f"() => {status}.textContent.includes('another method')")
