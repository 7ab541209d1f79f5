"""Runs on tables on the tab Compare: the routes, and the page."""

from __future__ import annotations

import csv
import json
import os

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.app.tabs import compare_tables
from pellucid.cli import application


def train(*arguments):
    result = CliRunner().invoke(application(), ["train", *map(str, arguments)])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a table, and four runs on it: two that predict the price, one for whether a flat is warm, and both, which
    predicts the area and the price."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    with (folder / "flats.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "city", "price", "warm"])
        for _ in range(400):
            area, city = random.uniform(30, 120), int(random.integers(3))
            warm = "yes" if area + random.normal(0, 15) > 75 else "no"
            writer.writerow([f"{area:.1f}", ("Graz", "Linz", "Wien")[city], f"{area * (2000 + 1000 * city):.2f}", warm])
    for name, target, other, epochs in (
        ("price-1", "price", "warm", 30),
        ("price-2", "price", "warm", 3),
        ("warm", "warm", "price", 10),
        ("both", "area,price", "warm", 3),
    ):
        train(folder / "flats.csv", "--target", target, "--ignore", other, "--epochs", epochs, "--out", folder / name)
    return folder


@pytest.fixture
def ask(client, state, trained):
    state.runs.mkdir(exist_ok=True)
    for run in ("price-1", "price-2", "warm", "both"):
        (state.runs / run).symlink_to(trained / run, target_is_directory=True)

    def post(path, code=200, **body):
        answer = client.post(f"/api/compare/tables/{path}", json=body)
        assert answer.status_code == code, answer.text
        return answer.json()

    return post


def test_runs_with_the_same_target_are_together(ask, client, state):
    (state.runs / "damaged").mkdir()
    (state.runs / "damaged/config.json").write_text('{"data": 3}')
    (state.runs / "damaged/model.pellucid").write_bytes(b"")
    found = client.get("/api/compare/tables").json()["groups"]
    assert sorted((one["name"], one["target"], sorted(one["runs"])) for one in found) == [
        ("area of flats", "area", ["both"]),
        ("price of flats", "price", ["both"]),  # whose data has other columns
        ("price of flats", "price", ["price-1", "price-2"]),
        ("warm of flats", "warm", ["warm"]),
    ]


def test_the_results_are_those_of_the_report(ask, trained):
    found = ask("results", runs=["price-2", "price-1"])
    assert found["group"] == "price of flats"
    assert [row["name"] for row in found["rows"]] == ["price-2", "price-1"]
    strength = [max(row["importance"][column]["mean"] for row in found["rows"]) for column in found["columns"]]
    assert strength == sorted(strength, reverse=True), "the most important column first"
    measured = json.loads((trained / "price-1/metrics.json").read_text())
    row = found["rows"][1]
    assert row["r2"] == pytest.approx(measured["test"]["r2"])
    assert row["seconds"] == measured["seconds"]
    assert row["importance"]["area"]["clear"]
    assert row["coverage"]["n"] == row["rows"] == 40
    assert row["classes"] is None
    classes = ask("results", runs=["warm"])["rows"][0]
    assert 0.5 < classes["accuracy"] <= 1
    assert 0.5 < classes["roc_auc"] <= 1
    assert classes["classes"] == ["no", "yes"]
    assert "coverage" not in classes


def test_a_run_with_several_targets_is_compared_by_one_of_them(ask, trained):
    measured = json.loads((trained / "both/metrics.json").read_text())["targets"]["scores"]
    for target in ("area", "price"):
        found = ask("results", runs=["both"], target=target)
        assert found["group"] == f"{target} of flats"
        assert found["rows"][0]["mae"] == pytest.approx(measured[target]["mae"])
        assert found["rows"][0]["coverage"]["n"] == 40
    assert ask("figures", run="both", target="price")["figures"] != ask("figures", run="both", target="area")["figures"]
    assert "no run 'both' on a table that predicts 'warm'" in ask("results", 404, runs=["both"], target="warm")["error"]


def test_reports_are_computed_once(ask, monkeypatch):
    first = ask("results", runs=["price-1"])
    monkeypatch.setattr(compare_tables, "_computed", lambda *_: pytest.fail("the report is known"))
    assert ask("results", runs=["price-1"]) == first
    titles = [one["title"] for one in ask("figures", run="price-1")["figures"]]
    assert titles == ["Importance of the columns", "Partial dependence", "Residuals"]


def test_what_cannot_be_compared(ask):
    assert "the same target" in ask("results", 400, runs=["price-1", "warm"])["error"]
    assert "no run 'none'" in ask("results", 404, runs=["none"])["error"]
    assert "no run '..'" in ask("figures", 404, run="..")["error"]
    assert "the same target" in ask("results", 400, runs=[])["error"]


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_the_page_compares_runs_on_tables(ask, open_page, axe_findings, mnist_folder, width, scheme, tmp_path):
    page = open_page("#compare", width=width, height=900, scheme=scheme)
    page.locator(".compare-importance").wait_for()
    page.get_by_label("Data and target").select_option("price of flats (price-2, …)")
    page.get_by_role("columnheader", name="R²").wait_for()
    assert sorted(page.locator(".compare-importance tbody th").all_inner_texts()) == ["area", "city"]
    page.get_by_text("Figures of price-1").click()
    figure = page.locator(".compare-figures img").first
    figure.wait_for()
    assert figure.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 100
    assert axe_findings(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("checkbox", name="price-1").uncheck()
    page.wait_for_function("() => document.querySelectorAll('.compare-importance thead th').length === 2")
    page.get_by_role("checkbox", name="price-2").uncheck()
    page.get_by_text("Choose 1 to 6 runs.").wait_for()
    page.get_by_label("Data and target").select_option("warm of flats")
    page.get_by_role("columnheader", name="ROC area").wait_for()


def test_the_page_measures_a_run_again_that_was_trained_again(ask, open_page, mnist_folder, state):
    page = open_page("#compare", own=True)
    page.locator(".compare-importance").wait_for()
    page.get_by_label("Data and target").select_option("warm of flats")
    page.get_by_role("columnheader", name="ROC area").wait_for()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    model = state.runs / "warm/model.pellucid"

    def come_back():
        page.get_by_role("tab", name="Draw").click()
        page.get_by_role("tab", name="Compare").click()

    with page.expect_response("**/api/compare/tables"):
        come_back()
    os.utime(model, ns=(0, model.stat().st_mtime_ns + 5_000_000))
    with page.expect_response("**/api/compare/tables/results"):
        come_back()
    page.get_by_role("columnheader", name="ROC area").wait_for()
    assert sum(url.endswith("/api/compare/tables/results") for url in asked) == 1, "only after the training"


def test_the_page_shows_scores_that_are_not_numbers(ask, open_page, mnist_folder):
    """R² is none where all targets of the test part are equal."""

    def without_numbers(route):
        answer = route.fetch()
        found = answer.json()
        for row in found["rows"]:
            row |= {name: None for name in ("r2", "mse", "loss", "roc_auc", "calibration_error") if name in row}
        route.fulfill(response=answer, json=found)

    page = open_page(own=True)
    page.route("**/api/compare/tables/results", without_numbers)
    page.get_by_role("tab", name="Compare").click()
    page.locator(".compare-importance").wait_for()
    for group, column, count in (("price of flats (price-2, …)", "R²", 2), ("warm of flats", "ROC area", 3)):
        page.get_by_label("Data and target").select_option(group)
        page.get_by_role("columnheader", name=column).wait_for()
        cells = page.locator("[aria-label='Scores of the runs'] tbody tr").first.locator("td").all_inner_texts()
        assert cells.count("–") == count


def test_without_runs_on_tables_the_page_says_nothing(open_page, mnist_folder):
    page = open_page("#compare")
    page.wait_for_selector(".compare-matrix")
    assert page.locator(".compare-tables").is_hidden()
