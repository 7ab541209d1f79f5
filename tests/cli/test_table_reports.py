"""The report on a run on a table, thresholds and intervals, from the command line; and the page in Chromium."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import CrossEntropy, Dense, Sequential, Softmax
from pellucid.cli import application, table_reports
from pellucid.core.json_text import json_text
from pellucid.explain.tables import UNKNOWN


def cli(*arguments, code=0):
    """Run the command. Returns (standard output, standard error)."""
    result = CliRunner().invoke(application(), [str(argument) for argument in arguments], prog_name="pellucid")
    assert result.exit_code == code, result.output + repr(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a bug keeps its traceback"
    return result.stdout, result.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with the table flats.csv of 800 flats, and two runs on it: price (numbers) and warm (classes)."""
    folder = tmp_path_factory.mktemp("runs")
    random = np.random.default_rng(0)
    with (folder / "flats.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "city", "noise", "price", "warm"])
        for _ in range(800):
            area, city = random.uniform(30, 120), int(random.integers(3))
            price = area * (2000 + 1000 * city) + random.normal(0, 5000)
            warm = "yes" if area + random.normal(0, 15) > 75 else "no"
            writer.writerow([f"{area:.1f}", ("Graz", "Linz", "Wien")[city], f"{random.normal():.3f}", f"{price:.2f}", warm])
    table = folder / "flats.csv"
    for target, other in (("price", "warm"), ("warm", "price")):
        cli("train", table, "--target", target, "--ignore", other, "--epochs", 30, "--out", folder / target)
    return folder


def test_the_report_of_numbers(runs, monkeypatch):
    monkeypatch.chdir(runs)
    out, _ = cli("evaluate", "price")
    assert re.search(r"columns   area [\d.]+ ± [\d.]+, city .*; 1 not clearly above 0 \(loss of R² when shuffled\)", out)
    found = re.search(
        r"intervals 90 %: the prediction ± ([\d,]+); they contain ([\d.]+) % of the test part \(90\.1 ± 4\.7 % exp", out
    )
    assert found, out
    assert out.endswith("report    price/report.html\n")
    record = json.loads((runs / "price/report.json").read_text())
    assert (record["rows"], record["calibration_rows"], record["part"]) == (80, 80, "test")
    assert [one["column"] for one in record["importance"]["columns"]] == ["area", "city", "noise"]
    assert [one["clear"] for one in record["importance"]["columns"]] == [True, True, False]
    assert float(found[2]) == pytest.approx(100 * record["intervals"]["coverage"], abs=0.1)
    assert [one["column"] for one in record["partial_dependence"]][:2] == ["area", "city"]
    assert len(record["largest_errors"]) == 10
    worst = record["largest_errors"][0]
    with open("flats.csv", encoding="utf-8") as file:
        row = list(csv.DictReader(file))[worst["row"] - 1]
    assert worst["columns"] == {"area": float(row["area"]), "city": row["city"], "noise": float(row["noise"])}
    assert worst["true"] == pytest.approx(float(row["price"]))
    page = (runs / "price/report.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 4
    assert "Prediction intervals of 90 %" in page
    assert not re.search(r'(src|href)="(?!data:)', page), "the page loads nothing"


def test_intervals_of_new_predictions(runs, monkeypatch):
    monkeypatch.chdir(runs)
    cli("evaluate", "price")
    (runs / "new.csv").write_text("city,area,noise\nWien,100,0\nGraz,50,1\n")
    rows = json.loads(cli("predict", "price", "new.csv", "--intervals", "--json")[0])
    half = json.loads((runs / "price/report.json").read_text())["intervals"]["half_widths"][0]
    for row in rows:
        assert (row["low"], row["high"]) == pytest.approx((row["prediction"] - half, row["prediction"] + half))
        assert row["level"] == 0.9
    out, _ = cli("predict", "price", "new.csv", "--intervals", "--out", "p.csv")
    assert "(90 %: " in out.splitlines()[0]
    with open("p.csv", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert list(written[0]) == ["file", "row", "prediction", "low", "high", "level"]
    assert [float(row["low"]) for row in written] == pytest.approx([row["low"] for row in rows])


def test_intervals_belong_to_the_model_that_was_measured(runs, monkeypatch):
    monkeypatch.chdir(runs)
    cli("evaluate", "price")
    path = runs / "price/report.json"
    kept = path.read_text()
    (runs / "new.csv").write_text("city,area,noise\nWien,100,0\n")
    for changed in (json_text({**json.loads(kept), "model": "of another training"}), "{", "[]", '{"intervals": 3}'):
        path.write_text(changed)
        _, err = cli("predict", "price", "new.csv", "--intervals", code=2)
        assert "price has no prediction intervals for this model: pellucid evaluate price measures them" in err
    path.write_text(kept)


def test_the_report_of_classes(runs, monkeypatch):
    monkeypatch.chdir(runs)
    out, _ = cli("evaluate", "warm")
    assert re.search(r"columns   area [\d.]+ ± [\d.]+; 2 not clearly above 0 \(rise of the log loss when shuffled\)", out)
    assert "threshold" not in out
    record = json.loads((runs / "warm/report.json").read_text())
    assert record["classes"]["yes"]["roc_auc"] > 0.85
    assert [(one["wish"], one["value"]) for one in record["thresholds"]] == [
        ("precision", 0.8), ("precision", 0.9), ("precision", 0.95), ("recall", 0.8), ("recall", 0.9), ("recall", 0.95),
    ]  # fmt: skip
    for one in record["thresholds"]:
        assert one["validation"] is None or one["validation"][one["wish"]] >= one["value"]
    page = (runs / "warm/report.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 5
    command = re.search(r"pellucid predict warm new.csv --threshold (yes=[\d.]+)", page)[1]
    (runs / "new.csv").write_text("city,area,noise\nWien,100,0\nGraz,50,1\n")
    cli("predict", "warm", "new.csv", "--threshold", command)


def test_a_threshold_from_a_wish_to_predictions(runs, monkeypatch):
    monkeypatch.chdir(runs)
    out, _ = cli("evaluate", "warm", "--precision", 0.9)
    line = re.search(
        r"threshold yes from ([\d.]+) on: precision ([\d.]+) %, recall [\d.]+ % on the validation part, precision", out
    )
    assert float(line[2]) >= 90
    threshold = float(line[1])
    both = json.loads(cli("evaluate", "warm", "--precision", 0.9, "--json")[0])["report"]["thresholds"]
    assert [one["threshold"] for one in both] == [threshold]
    out, _ = cli("predict", "warm", "flats.csv", "--threshold", threshold, "--out", "p.csv")
    first = out.splitlines()[0]
    assert first.startswith(
        f"threshold yes where its probability is at least {threshold}, otherwise the most probable other class"
    )
    test = both[0]["test"]
    assert first.endswith(f"(precision {100 * test['precision']:.1f} %, recall {100 * test['recall']:.1f} % on the test part)")
    with open("p.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", "row", "prediction", "threshold of yes", "probability of no", "probability of yes"]
    assert {row["threshold of yes"] for row in rows} == {str(threshold)}
    for row in rows:
        p = float(row["probability of yes"])
        assert abs(p - threshold) < 1e-5 or row["prediction"] == ("yes" if p >= threshold else "no")
    assert len({row["prediction"] for row in rows}) == 2
    low, high = (
        [row["label"] for row in json.loads(cli("predict", "warm", "flats.csv", "--threshold", t, "--json")[0])] for t in (0, 1)
    )
    assert set(low) == {"yes"}
    assert set(high) == {"no"}
    (one, *_) = json.loads(cli("predict", "warm", "flats.csv", "--threshold", "no=0.25", "--json")[0])
    assert one["threshold"] == {"class": "no", "probability": 0.25}


def test_where_the_report_goes(runs, monkeypatch, tmp_path):
    monkeypatch.chdir(runs)
    for name in ("report.html", "report.json"):
        (runs / "warm" / name).unlink(missing_ok=True)
    assert "report" not in cli("evaluate", "warm", "--no-report")[0]
    assert "report" not in cli("evaluate", "warm", "--part", "validation")[0]
    assert "report" not in cli("evaluate", "warm", "flats.csv")[0]
    assert not (runs / "warm/report.html").exists()
    out, _ = cli("evaluate", "warm", "flats.csv", "--recall", 0.9, "--positive", "no", "--report", tmp_path / "page.html")
    assert re.search(r"threshold no from [\d.]+ on: .* on the validation part, .* on flats\.csv\n", out)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "If the model was trained on some of them" in page
    assert not (runs / "warm/report.json").exists(), "only what was measured on the test part is kept for predictions"
    out, _ = cli("evaluate", "warm", "warm", "--report", tmp_path / "two.html")
    assert "2 models" in (tmp_path / "two.html").read_text(encoding="utf-8")
    out, _ = cli("evaluate", "warm", "--part", "validation", "--report", tmp_path / "three.html")
    assert "thresholds and prediction intervals: they need the validation part" in (tmp_path / "three.html").read_text()
    cli("evaluate", "warm")
    kept = [(runs / "warm" / name).read_bytes() for name in ("report.html", "report.json")]
    for arguments in (("flats.csv", "--precision", 0.8), ("--part", "train", "--positive", "yes"), ("warm", "--recall", 0.9)):
        out, err = cli("evaluate", "warm", *arguments)
        assert out.endswith(
            "report    not written: a run folder keeps the one on its test part; --report FILE.html writes this one\n"
        )
        assert err == ""
        assert [(runs / "warm" / name).read_bytes() for name in ("report.html", "report.json")] == kept
    assert json.loads(cli("evaluate", "warm", "flats.csv", "--recall", 0.9, "--json")[0])["report"]["file"] is None
    for name in ("report.html", "report.json"):
        (runs / "warm" / name).unlink()
    (runs / "warm/report.html").mkdir()
    out, err = cli("evaluate", "warm")
    assert "no report: warm/report.html: cannot be written" in err
    assert "accuracy" in out
    (runs / "warm/report.html").rmdir()


def test_a_report_without_matplotlib(runs, monkeypatch, tmp_path):
    monkeypatch.chdir(runs)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    _, err = cli("evaluate", "price", "--report", tmp_path / "page.html")
    assert "no figures: they need Matplotlib" in err
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<figure>" not in page
    assert "clearly above 0" in page


def write_as_it_comes(path, n, seed):
    """Write a table with missing numbers, dates, streets (25) and cities (3), fees such as € 1,234.50, and an identifier."""
    random = np.random.default_rng(seed)
    lines = ["id,area,street,city,sold,fee,price,rent,warm"]
    for i in range(n):
        area, street, city, year = random.uniform(30, 120), random.integers(25), random.integers(3), random.integers(2015, 2024)
        price = area * (2 + city) + 10 * (street % 5) + 8 * (year - 2015) + random.normal(0, 3)
        cells = f"{area:.1f}", f"street {street}", ("Graz", "Linz", "Wien")[city], f"{year}-{random.integers(1, 13):02}-15"
        kept = ["" if random.random() < 0.1 else cell for cell in cells]
        fee, warm = f'"€ {random.integers(100, 4000):,}.50"', "yes" if area > 75 else "no"
        lines.append(",".join([f"A{i:04}", *kept, fee, f"{price:.2f}", f"{price / 200 + city:.3f}", warm]))
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")


@pytest.fixture(scope="module")
def as_it_comes(tmp_path_factory):
    """A folder with such a table, all.csv, new rows in new.csv, and runs on it: price, warm, two (price and rent), and young,
    which is two after fewer epochs."""
    folder = tmp_path_factory.mktemp("as_it_comes")
    write_as_it_comes(folder / "all.csv", 900, 0)
    write_as_it_comes(folder / "new.csv", 40, 1)
    for name, targets, ignored in (
        ("price", ["price"], ["rent", "warm"]),
        ("warm", ["warm"], ["price", "rent"]),
        ("two", ["price", "rent"], ["warm"]),
    ):
        options = [*(f"--target={one}" for one in targets), *(f"--ignore={one}" for one in ignored)]
        cli("train", folder / "all.csv", *options, "--epochs", 25, "--out", folder / name)
    cli("train", folder / "all.csv", *options, "--epochs", 2, "--out", folder / "young")
    return folder


def test_a_table_as_it_comes(as_it_comes, monkeypatch):
    """Missing values, codes of categories and dates: in the report of numbers, and in predictions with their intervals."""
    monkeypatch.chdir(as_it_comes)
    cli("evaluate", "price")
    record = json.loads((as_it_comes / "price/report.json").read_text())
    columns = {one["column"]: one for one in record["importance"]["columns"]}
    assert set(columns) == {"area", "street", "city", "sold (days)", "sold (month)", "sold (weekday)", "fee"}
    assert [name for name in columns if columns[name]["clear"]][:2] == ["area", "city"]
    dependence = {one["column"]: one["values"] for one in record["partial_dependence"]}
    assert sorted(dependence["city"]) == ["(missing)", "Graz", "Linz", "Wien"]
    without = {one["column"]: one["average_missing"] for one in record["partial_dependence"]}
    assert np.isfinite(without["area"]).all()
    assert without["city"] is None
    with open("all.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for worst in record["largest_errors"]:
        line, cells = lines[worst["row"] - 1], worst["columns"]
        assert cells["city"] == (line["city"] or "(missing)")
        assert cells["street"] == (line["street"] or "(missing)")
        assert cells["sold (days)"] == (line["sold"] or None)
        assert cells["area"] == (float(line["area"]) if line["area"] else None)
        assert cells["fee"] == float(line["fee"].removeprefix("€ ").replace(",", ""))
    page = (as_it_comes / "price/report.html").read_text(encoding="utf-8")
    assert "(missing)" in page
    assert record["largest_errors"][0]["columns"]["street"] in page

    rows = json.loads(cli("predict", "price", "new.csv", "--intervals", "--json")[0])
    assert [row["id"] for row in rows] == [{"id": f"A{i:04}"} for i in range(40)]
    with open("new.csv", encoding="utf-8") as file:
        true = [float(line["price"]) for line in csv.DictReader(file)]
    inside = sum(row["low"] <= y <= row["high"] for row, y in zip(rows, true, strict=True))
    assert inside >= 30, "90 % of 40, less three deviations"


def test_thresholds_and_copied_columns_of_a_table_as_it_comes(as_it_comes, monkeypatch):
    monkeypatch.chdir(as_it_comes)
    out, _ = cli("evaluate", "warm", "--recall", "0.9")
    threshold = re.search(r"threshold yes from ([\d.]+) on", out)[1]
    cli("predict", "warm", "new.csv", "--threshold", threshold, "--id", "id", "--id", "street", "--out", "p.csv")
    with open("p.csv", encoding="utf-8") as file, open("new.csv", encoding="utf-8") as source:
        written, lines = list(csv.DictReader(file)), list(csv.DictReader(source))
    assert list(written[0])[:6] == ["file", "row", "id", "street", "prediction", "threshold of yes"]
    assert [(row["id"], row["street"]) for row in written] == [(line["id"], line["street"]) for line in lines]
    assert sum(row["prediction"] == line["warm"] for row, line in zip(written, lines, strict=True)) >= 30


def test_each_of_several_targets_has_scores_and_a_report(as_it_comes, monkeypatch):
    monkeypatch.chdir(as_it_comes)
    out, _ = cli("evaluate", "two")
    line = r"  {}  RMSE [\d.,]+, MAE [\d.,]+, R² 0\.\d+\n"
    assert re.search(r"test      mean R² 0\.\d+, loss [\d.]+\n" + line.format("price") + line.format("rent "), out)
    found = r"\ncolumns   {} .*\nintervals 90 %: .*"
    assert re.search(rf"\ntarget    price{found.format('area')}\ntarget    rent{found.format('city')}\nreport ", out)
    scores = json.loads(cli("evaluate", "two", "--json")[0])
    assert scores["r2"] == pytest.approx(np.mean([one["r2"] for one in scores["targets"].values()]))
    assert scores["mae"] == pytest.approx(np.mean([one["mae"] for one in scores["targets"].values()]))
    assert scores["targets"] == json.loads((as_it_comes / "two/metrics.json").read_text())["targets"]["scores"]
    assert set(scores["report"]["targets"]["rent"]) == {"importance", "residuals", "intervals"}
    record = json.loads((as_it_comes / "two/report.json").read_text())["targets"]
    with open("all.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for target in ("price", "rent"):
        assert record[target]["target"] == target
        assert record[target]["importance"]["score"] == pytest.approx(scores["targets"][target]["r2"])
        worst = record[target]["largest_errors"][0]
        assert worst["true"] == pytest.approx(float(lines[worst["row"] - 1][target]), rel=1e-6)
    page = (as_it_comes / "two/report.html").read_text(encoding="utf-8")
    assert "<h1>price and rent, predicted by two</h1>" in page
    for target in ("price", "rent"):
        assert f"<dt>Scores of {target}</dt><dd>RMSE " in page
    assert re.findall("<h2>(.*?)</h2>", page) == ["price", "rent"]
    assert page.count("<h4>Prediction intervals of 90 %</h4>") == 2
    assert page.count("<figure>") == 8


def test_runs_with_several_targets_are_compared_target_by_target(as_it_comes, monkeypatch, tmp_path):
    monkeypatch.chdir(as_it_comes)
    out, _ = cli("compare", "two", "young", "--out", tmp_path)
    lines = out.splitlines()
    assert re.fullmatch(r"two    +[\d,]+ parameters  mean R² 0\.\d+, loss [\d.]+", lines[0])
    assert re.fullmatch(r"  price  RMSE [\d.,]+, MAE [\d.,]+, R² 0\.\d+", lines[1])
    assert lines[4:6][1].startswith("  rent ")
    assert re.match(r"price: two is closer to the target for \d+ samples, young for \d+.* \(p = ", lines[6])
    assert lines[7].startswith("rent: two is closer")
    assert lines[8] == "(the p-values are adjusted for 2 tests)"
    record = json.loads((tmp_path / "comparison.json").read_text())
    assert [one["target"] for one in record["tests"]] == ["price", "rent"]
    assert [one["first_closer"] + one["second_closer"] for one in record["tests"]] == [90, 90]
    least, most = sorted(record["tests"], key=lambda one: one["p"])
    assert least["adjusted"] == pytest.approx(min(1, 2 * least["p"]))
    assert most["adjusted"] >= most["p"]


def test_intervals_of_several_targets(as_it_comes, monkeypatch):
    monkeypatch.chdir(as_it_comes)
    cli("evaluate", "two")
    found = json.loads((as_it_comes / "two/report.json").read_text())["targets"]
    rows = json.loads(cli("predict", "two", "new.csv", "--intervals", "--json")[0])
    for target in ("price", "rent"):
        half = found[target]["intervals"]["half_widths"][0]
        for row in rows:
            ends = row["low"][target], row["high"][target]
            assert ends == pytest.approx((row["predictions"][target] - half, row["predictions"][target] + half))
    out, _ = cli("predict", "two", "new.csv", "--intervals", "--out", "p.csv")
    assert re.match(r"new.csv:1  A0000   price [\d.]+   \(90 %: [\d.]+ to [\d.]+\)  rent -?[\d.]+   \(90 %: ", out)
    with open("p.csv", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    of_targets = [[f"prediction of {one}", f"low of {one}", f"high of {one}"] for one in ("price", "rent")]
    assert list(written[0]) == ["file", "row", "id", *of_targets[0], *of_targets[1], "level"]
    assert float(written[3]["high of rent"]) == rows[3]["high"]["rent"]
    cli("predict", "two", "new.csv", "--out", "p.csv")
    with open("p.csv", encoding="utf-8") as file:
        assert list(csv.DictReader(file).fieldnames) == ["file", "row", "id", "prediction of price", "prediction of rent"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate", "warm", "--precision", "0.9", "--recall", "0.9"), "--precision and --recall: a threshold has only one"),
        (("evaluate", "warm", "--precision", "2"), "--precision 2: a precision is above 0 and at most 1"),
        (("evaluate", "warm", "--precision", "0.9", "--positive", "yess"), "did you mean 'yes'"),
        (("evaluate", "price", "--recall", "0.9"), "--recall 0.9: thresholds are for models of tables that predict the prob"),
        (("evaluate", "warm", "--no-report", "--recall", "0.9"), "--no-report cannot be combined"),
        (("evaluate", "warm", "--part", "validation", "--recall", "0.9"), "leave out --part validation"),
        (
            ("evaluate", "warm/model.pellucid", "flats.csv", "--recall", "0.9"),
            "--recall: the threshold is chosen on the validation",
        ),
        (("predict", "warm", "flats.csv", "--threshold", "1.5"), "a probability, from 0 to 1"),
        (("predict", "warm", "flats.csv", "--threshold", "x"), "a probability, from 0 to 1"),
        (("predict", "warm", "flats.csv", "--threshold", "maybe=0.5"), "there is no class 'maybe'"),
        (("predict", "price", "flats.csv", "--threshold", "0.5"), "models that predict one class"),
        (("predict", "warm", "flats.csv", "--intervals"), "warm has no prediction intervals"),
    ],
)
def test_errors_are_one_line(runs, monkeypatch, arguments, message):
    monkeypatch.chdir(runs)
    _, err = cli(*arguments, code=2)
    assert message in err
    assert len(err.splitlines()) == 1


def test_options_are_checked_before_anything_is_evaluated(runs, monkeypatch):
    monkeypatch.chdir(runs)
    monkeypatch.setattr("pellucid.cli.evaluate.load_data", None)
    for arguments in (
        ("--precision", 2),
        ("--positive", "yess"),
        ("--no-report", "--recall", 0.9),
        ("--precision", 1, "--recall", 1),
    ):
        cli("evaluate", "warm", *arguments, code=2)


def test_a_wish_of_three_classes_names_the_option(runs, monkeypatch):
    monkeypatch.chdir(runs)
    cli("train", "flats.csv", "--target", "city", "--epochs", 1, "--out", "city")
    _, err = cli("evaluate", "city", "--precision", 0.9, code=2)
    assert "--precision 0.9: name one of the 3 classes with --positive: Graz, Linz, Wien" in err


def test_a_class_may_have_any_name():
    assert table_reports.parse_threshold("a=b=0.5", ("a=b", "c")).label == "a=b"
    assert table_reports.parse_threshold("0.5", ("a", "b")).label == "b"
    with pytest.raises(Exception, match=r"name one of the 3 classes, such as --threshold a=0\.8"):
        table_reports.parse_threshold("0.5", ("a", "b", "c"))


def test_models_of_images_have_no_report(tmp_path, monkeypatch, runs):
    monkeypatch.chdir(tmp_path)
    model = Sequential(Dense(2), Softmax()).compile((3,), CrossEntropy())
    model.fit(np.eye(3, dtype=np.float32), np.array([0, 1, 0]), epochs=1)
    model.save("plain.pellucid")
    _, err = cli("evaluate", "plain.pellucid", runs / "flats.csv", "--report", "page.html", code=2)
    assert "page.html" not in err
    assert not (tmp_path / "page.html").exists()


CORNER = """async () => {
    const image = document.querySelector("figure img"), canvas = document.createElement("canvas");
    await image.decode();
    canvas.width = canvas.height = 4;
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0, 400, 400);
    return `rgb(${[...context.getImageData(2, 2, 1, 1).data.slice(0, 3)].join(", ")})`;
}"""


@pytest.mark.parametrize(("scheme", "ground"), [("light", "rgb(255, 255, 255)"), ("dark", "rgb(20, 24, 28)")])
def test_the_page_follows_the_scheme_and_is_accessible(runs, monkeypatch, browser, axe_findings, scheme, ground):
    monkeypatch.chdir(runs)
    for name in ("price", "warm"):
        cli("evaluate", name)
        page = browser.new_page(viewport={"width": 390, "height": 800}, color_scheme=scheme)
        requested = []
        page.on("request", lambda request, requested=requested: requested.append(request.url.partition(":")[0]))
        page.goto((runs / name / "report.html").as_uri())
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground
        assert page.evaluate(CORNER) == ground, "the style in the image of a figure follows the scheme, too"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, "only tables scroll to the side"
        assert axe_findings(page) == []
        assert set(requested) <= {"file", "data"}
        page.close()


def test_unknown_categories_are_named(runs, monkeypatch, tmp_path):
    monkeypatch.chdir(runs)
    (tmp_path / "other.csv").write_text(
        "area,city,noise,price\n100,Bonn,0,900000\n" + "50,Graz,0,100000\n60,Wien,0,240000\n" * 6
    )
    cli("evaluate", "price", tmp_path / "other.csv", "--report", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count(UNKNOWN) >= 1
