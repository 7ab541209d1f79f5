"""The button "Learn these now": the effect of the corrections on both networks, and the undo."""

from __future__ import annotations

from conftest import SEVEN, draw, wait_for_predictions

GAMMA = [[[300, 850], [300, 150], [700, 150]]]  # read as something else than a 4


def test_without_corrections_or_the_networks_of_the_package_there_is_nothing_to_learn(client):
    assert "save a correction first" in client.post("/api/draw/learn", json={}).json()["error"]
    client.post("/api/draw/correct", json={"strokes": SEVEN, "label": "1"})
    assert "of the package" in client.post("/api/draw/learn", json={}).json()["error"]
    assert client.post("/api/draw/unlearn", json={}).json() == {}


def test_corrections_are_learned_and_the_learning_is_undone(open_page, state):
    names = state.networks.add_pair()
    state.networks.warm_up()  # the fastest kernels
    page = open_page()
    page.get_by_text("Networks shown").click()
    for name in ("mlp-small", "cnn-fast"):
        page.get_by_label(name).set_checked(False)
    for name in names:
        page.get_by_label(name).set_checked(True)
    draw(page, GAMMA)
    page.wait_for_function("() => document.querySelectorAll('.verdict-line strong').length === 2")
    before = page.locator(".prediction .label").all_inner_texts()
    assert "4" not in before
    page.get_by_label("The digit you meant").select_option("4")
    assert not page.get_by_role("button", name="Learn these now").is_visible()
    page.get_by_role("button", name="Save correction").click()
    page.get_by_role("button", name="Learn these now").click()
    page.get_by_text("Learned 1 correction in").wait_for()
    wait_for_predictions(page, "4", "4")
    for row in page.locator(".effects tbody tr").all():
        name, corrections, others = row.locator("th, td").all_inner_texts()
        assert (name in names, corrections) == (True, "0.0 % → 100.0 %")
        assert float(others.split()[3]) > 95
    assert page.get_by_text("with your corrections").count() == 2
    page.get_by_role("button", name="Undo the learning").click()
    page.get_by_text("as in the package again").wait_for()
    labels = "[...document.querySelectorAll('.prediction .label')].map((one) => one.textContent)"
    page.wait_for_function(f"() => {labels}.length === 2 && !{labels}.includes('4')")  # of unfinished drawings some differ
