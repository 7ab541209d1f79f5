"""The command line on user data: tables and folders of images, from training to prediction."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pellucid import Dense, Hinge, MeanSquaredError, Model, Sequential
from pellucid.cli import application
from pellucid.cli.common import format_number
from pellucid.data import from_arrays, read_csv
from pellucid.data.tables.columns import Column, Standardization
from pellucid.runs.comparison import sign_tests


def cli(*arguments, code=0):
    """Run the command. Returns (standard output, standard error)."""
    result = CliRunner().invoke(application(), [str(argument) for argument in arguments], prog_name="pellucid")
    assert result.exit_code == code, result.output + repr(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a bug keeps its traceback"
    return result.stdout, result.stderr


@pytest.fixture
def table(tmp_path, monkeypatch):
    """300 flats: a price that follows from area and city, and two missing areas."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    with open("flats.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "city", "price", "warm"])
        for i in range(300):
            area, city = random.uniform(30, 120), int(random.integers(3))
            price = area * (2000 + 1000 * city) + random.normal(0, 3000)
            shown = "" if i in (7, 30) else f"{area:.1f}"
            writer.writerow([shown, ("Graz", "Linz", "Wien")[city], f"{price:.2f}", "yes" if area > 75 else "no"])
    return tmp_path / "flats.csv"


@pytest.fixture
def shapes(tmp_path, monkeypatch):
    """48 images of two classes in several sizes and modes, and two broken files."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name in ("left", "right"):
        folder = tmp_path / "shapes" / name
        folder.mkdir(parents=True)
        for i in range(24):
            size = int(random.integers(16, 40))
            x = random.integers(0, 60, (size, size), np.uint8)
            half = slice(0, size // 2) if name == "left" else slice(size // 2, size)
            x[:, half] += 180
            Image.fromarray(x).convert(("L", "RGB", "1", "P")[i % 4] if i % 4 != 2 else "L").save(folder / f"{i:02d}.png")
        (folder / "99.png").write_bytes(b"not an ima")
    return tmp_path / "shapes"


def test_numbers_from_a_table(table):
    _, refused = cli("train", table, "--target", "price", "--missing", "error", code=2)
    assert refused.startswith("error: ")
    assert "area (2 of 300): missing='value' (--missing value)" in refused
    out, _ = cli("train", table, "--target", "price", "--ignore", "warm", "--epochs", 60, "--out", "run")
    for part in (
        "240 training, 30 validation, 30 test",
        "regression",
        "missing   area (2 of 300); values of their own",
        "only 30 samples",
        "R² 0.9",
    ):
        assert part in out
    assert sorted(path.name for path in (table.parent / "run").iterdir()) == [
        "config.json",
        "history.csv",
        "learning_curves.png",
        "metrics.json",
        "model.pellucid",
        "predictions.png",
        "status.json",
    ]
    found = json.loads((table.parent / "run" / "metrics.json").read_text())
    assert found["test"]["r2"] > 0.9  # 0.9965 to 0.9968 over four seeds
    scores = json.loads(cli("evaluate", "run", "--json")[0])
    assert {name: scores[name] for name in ("mse", "mae", "r2")} == pytest.approx(
        {name: found["test"][name] for name in ("mse", "mae", "r2")}
    )
    text, _ = cli("evaluate", "run")
    assert (
        f"test      RMSE {format_number(scores['mse'] ** 0.5)}, MAE {format_number(scores['mae'])}, R² {scores['r2']:.4f}"
        in text
    )

    (table.parent / "new.csv").write_text("city;area\nWien;100,0\nBonn;50\nGraz;\n")
    rows = json.loads(cli("predict", "run", "new.csv", "--json")[0])
    assert [(row["file"], row["row"]) for row in rows] == [("new.csv", 1), ("new.csv", 2), ("new.csv", 3)]
    assert 380_000 < rows[0]["prediction"] < 420_000
    out, err = cli("predict", "run", "new.csv", "--out", "p.csv")
    assert out.splitlines()[0] == f"new.csv:1  {format_number(rows[0]['prediction'])}"
    assert err == "warning   new.csv: city: 1 rows have unknown categories ('Bonn'), for which all inputs of the column are 0\n"
    with open("p.csv", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert [float(row["prediction"]) for row in written] == [row["prediction"] for row in rows]
    assert Model.load("run/model.pellucid").input_stage.target == "price"

    cli("train", table, "--target", "price", "--ignore", "warm", "--epochs", 2, "--out", "other")
    out, _ = cli("compare", "run", "other", "--out", "compared")
    assert "RMSE" in out
    assert "run is closer to the target for" in out
    assert len(json.loads((table.parent / "compared" / "comparison.json").read_text())["tests"]) == 1


def test_several_numbers_are_predicted_together(table):
    out, _ = cli("train", table, "--target", "price,area", "--ignore", "warm", "--epochs", 2, "--out", "run")
    assert "target    price: numbers from" in out
    assert "target    area: numbers from" in out
    assert {"predictions-1.png", "predictions-2.png"} <= {path.name for path in (table.parent / "run").iterdir()}
    (row,) = json.loads(cli("predict", "run", one(table, "city\nWien\n"), "--json", "--out", "p.csv")[0])
    assert row["predictions"].keys() == {"price", "area"}
    with open("p.csv", encoding="utf-8") as file:
        (written,) = csv.DictReader(file)
    assert float(written["prediction of price"]) == row["predictions"]["price"]
    assert "price " in cli("predict", "run", one(table, "city\nWien\n"))[0]
    assert json.loads(cli("evaluate", "run", "--json")[0])["samples"] == 30
    same = cli("train", table, "--target", "price", "--target", "area", "--ignore", "warm", "--epochs", 2, "--out", "same")[0]
    assert same.split("training")[0] == out.split("training")[0]
    assert "predicts 2 numbers" not in same


def test_predictions_keep_the_identifiers_and_come_from_standard_input(table):
    cli("train", table, "--target", "price", "--ignore", "warm", "--epochs", 2, "--out", "run")
    text = "Order ID,city,area,note\nA-1,Wien,100,x\nA-2,Graz,,y\n"
    rows = json.loads(cli("predict", "run", one(table, text), "--json")[0])
    assert [row["id"] for row in rows] == [{"Order ID": "A-1"}, {"Order ID": "A-2"}]
    assert "one.csv:2  A-2  " in cli("predict", "run", "one.csv", "--out", "p.csv")[0]
    assert (table.parent / "p.csv").read_text().startswith("file,row,Order ID,prediction\none.csv,1,A-1,")
    copied = json.loads(cli("predict", "run", "one.csv", "--id", "note", "--id", "city", "--json")[0])
    assert copied[1]["id"] == {"note": "y", "city": "Graz"}
    assert [row["prediction"] for row in copied] == [row["prediction"] for row in rows]
    assert "one.csv has no such column: did you mean 'note'" in cli("predict", "run", "one.csv", "--id", "nots", code=2)[1]
    arguments = ["predict", "run", "-", "--json"]
    result = CliRunner().invoke(application(), arguments, prog_name="pellucid", input=text)
    piped = json.loads(result.stdout)
    assert [row.pop("file") for row in piped] == ["-", "-"]
    assert piped == [{name: value for name, value in row.items() if name != "file"} for row in rows]
    broken = CliRunner().invoke(application(), arguments, prog_name="pellucid", input=text.replace("100", "large"))
    assert "error: -:2: area must be a number, got 'large'" in broken.stderr


def test_a_sweep_over_a_table_is_scored_by_r2(table):
    words = "sweep", table, "--target", "price", "--ignore", "warm", "--epochs", 3, "--grid", "lr=0.005,0.02", "--jobs", 1
    out, _ = cli(*words, "--out", "swept")
    assert "validation R², mean (and range) of 1 seed, best first:" in out
    with open("swept/results.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["lr"], row["score"]) for row in rows] == [("0.005", "r2"), ("0.02", "r2")]
    found = json.loads((table.parent / "swept" / "lr=0.02,seed=0" / "metrics.json").read_text())
    assert float(rows[1]["validation_r2"]) == found["validation"]["r2"]
    assert f"{found['validation']['r2']:.4f}" in out
    assert json.loads((table.parent / "swept" / "sweep.json").read_text())["base"]["reading"]["target"] == "price"
    assert "2 of 2 runs are done already" in cli(*words, "--out", "swept")[0]
    classes = cli("sweep", table, "--target", "warm", "--epochs", 2, "--grid", "hidden=4,8", "--jobs", 1, "--out", "classes")[0]
    assert "validation accuracy, mean" in classes


def test_fine_tuning_reads_another_table_with_the_columns_of_the_model(table):
    cli("train", table, "--target", "price", "--ignore", "warm", "--epochs", 2, "--out", "run")
    lines = (table.parent / "flats.csv").read_text().splitlines()
    other = [line for line in lines if "Linz" not in line and not line.startswith(",")]  # without gaps, and without a category
    (table.parent / "other.csv").write_text("\n".join(other) + "\n")
    out, _ = cli("train", "other.csv", "--target", "price", "--from", "run", "--epochs", 1, "--out", "further")
    assert "from      run: 14 of 14 arrays" in out
    assert Model.load("further/model.pellucid").input_stage == Model.load("run/model.pellucid").input_stage


def test_a_run_of_an_earlier_version_is_evaluated_with_the_columns_of_its_model(table):
    """Its categories are one-hot where they would be codes today, and missing values are filled with the mean."""
    names = [f"town {i:02}" for i in range(15)]
    with open("towns.csv", "w", encoding="utf-8") as file:
        file.write("town,size,price\n" + "".join(f"{names[i % 15]},{i % 7},{i % 15 + i % 7 / 10}\n" for i in range(200)))
    cli("train", "towns.csv", "--target", "price", "--epochs", 2, "--out", "run")
    columns = (Column("town", tuple(names)), Column("size"))
    stage = Standardization(columns, (0.0,) * 16, (1.0,) * 16, "error", "price", True)
    model = Sequential(Dense(1)).compile((16,), MeanSquaredError(), input_stage=stage)
    model.save("run/model.pellucid")
    scores = json.loads(cli("evaluate", "run", "--json")[0])
    assert scores["samples"] == 20
    assert scores["mse"] == pytest.approx(model.evaluate(model.read("towns.csv"))["loss"], rel=0.5)


def test_classes_from_a_table(table):
    out, _ = cli("train", table, "--target", "warm", "--missing", "drop", "--out", "run")
    found = json.loads((table.parent / "run" / "metrics.json").read_text())
    assert found["settings"]["epochs"] == found["epochs"] == 64  # the recipe for tables
    assert "2 classes: no, yes (classification)" in out
    assert "left out  2 of 300 rows" in out
    scores = json.loads(cli("evaluate", "run", "flats.csv", "--json")[0])
    assert (scores["part"], scores["samples"]) == ("table", 298)
    assert scores["accuracy"] > 0.9  # 0.9966 for each of four seeds
    (row,) = json.loads(cli("predict", "run", one(table, "area,city,price\n110,Graz,220000\n"), "--json")[0])
    assert (row["label"], len(row["probabilities"])) == ("yes", 2)
    out, _ = cli("predict", "run", one(table, "area,city,price\n" + "110,Graz,220000\n" * 25), "--out", "p.csv")
    assert "and 5 more rows" in out
    with open("p.csv", encoding="utf-8") as file:
        assert list(csv.DictReader(file))[24].keys() == {"file", "row", "prediction", "probability of no", "probability of yes"}


def test_scores_are_not_called_probabilities(table):
    data = from_arrays(np.arange(8.0)[:, None], np.arange(8) > 5, names=["area"])
    model = Sequential(Dense(1)).compile((1,), Hinge(), classes=["small", "large"], input_stage=data.input_stage())
    model.weights["dense1.W"][...], model.weights["dense1.b"][...] = 1, 0
    model.save("hinge.pellucid")
    path = one(table, "area\n3.6\n3.4\n")  # around the median of 3.5, with quartiles 4 apart
    rows = json.loads(cli("predict", "hinge.pellucid", path, "--json")[0])
    assert [row["label"] for row in rows] == ["large", "small"]
    assert rows[0]["scores"] == pytest.approx([-0.025, 0.025], abs=1e-3)
    assert "%" not in cli("predict", "hinge.pellucid", path, "--out", "p.csv")[0]
    head = (table.parent / "p.csv").read_text().splitlines()[0]
    assert head == "file,row,prediction,score of small,score of large"
    two = Sequential(Dense(2)).compile((1,), MeanSquaredError(), input_stage=data.input_stage())
    two.save("two.pellucid")
    assert "predicts 2 numbers for each sample" in cli("predict", "two.pellucid", path, code=2)[1]


def test_squared_error_of_classes_is_scored_as_classes(table):
    data = read_csv(table, "warm", missing="drop")
    model = Sequential(Dense(2)).compile(data.shape, MeanSquaredError())
    model.fit(data, epochs=1)
    model.save("squares.pellucid")
    assert "accuracy" in json.loads(cli("evaluate", "squares.pellucid", table, "--json")[0])


def test_data_show_reads_like_train(table, shapes):
    out, _ = cli("data", "show", "flats.csv", "--target", "price", "--missing", "drop")
    assert "target    price: numbers from" in out
    assert "training  no: " in cli("data", "show", "flats.csv", "--target", "warm", "--missing", "mean")[0]
    assert (
        "no images to show" in cli("data", "show", "flats.csv", "--target", "warm", "--missing", "mean", "--augment", code=2)[1]
    )
    out, _ = cli("data", "show", "shapes", "--size", "6x8", "--count", 2)
    assert "converted to 6 high, 8 wide, in colour" in out
    assert len(out.splitlines()[-4:]) == 4
    assert "resized to 32x32" in cli("data", "show", "shapes", "--out", "shapes.png")[0]


def one(table, text):
    path = table.parent / "one.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "none.csv", "--target", "price"), "none.csv: there is no such file or folder"),
        (("train", "flats.csv"), "name the column to predict with --target: area, city, price, warm"),
        (("train", "flats.csv", "--target", "prize"), "did you mean 'price'?"),
        (("train", "flats.csv", "--target", "price", "--size", "32x32"), "--size does not apply to tables"),
        (("train", "flats.csv", "--target", "price", "--missing", "zero"), "--missing 'zero'"),
        (("train", "flats.csv", "--target", "price", "--target", "warm"), "the target warm contains text"),
        (("train", "flats.csv", "--target", "none", "--class-weight", "balancd"), "did you mean 'balanced'"),
        (("train", "flats.csv", "--target", "price", "--size", "0x4"), "--size 0x4: height and width must be at least 1"),
        (("train", "flats.csv", "--target", "price", "--missing", "mean", "--model", "cnn"), "use --model table"),
        (("train", "mnist", "--target", "price"), "--target does not apply to mnist"),
        (("train", "mnits"), "there is no data set 'mnits': did you mean 'mnist'?"),
        (("data", "show", "flats.csv"), "name the column to predict with --target"),
        (("train", "notes.txt"), "notes.txt is empty"),
        (
            ("train", "notes.pdf"),
            "user data must be a table (.csv or .tsv), a folder with one subfolder of images for each class, or",
        ),
        (
            ("sweep", "flats.csv", "--grid", "lr=0.1", "--model", "table", "--jobs", 1),
            "name the column to predict with --target",
        ),
        (("predict", "runs/none", "--id", "key", "flats.csv"), "runs/none"),
    ],
)
def test_errors_are_one_line(table, arguments, message):
    (table.parent / "notes.txt").write_text("")
    (table.parent / "notes.pdf").write_bytes(b"%PDF-1.7 \x00")
    _, err = cli(*arguments, code=2)
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (table.parent / "runs").exists() or not list((table.parent / "runs").iterdir())


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (("train", "flats.csv", "--lr", "1", "--target", "price", "--lr", "2"), "--lr"),
        (("predict", "run", "flats.csv", "--out", "a.csv", "--out=a.csv"), "--out"),
        (("data", "show", "flats.csv", "--count", "2", "--count", "3"), "--count"),
    ],
)
def test_an_option_with_two_values_is_refused(table, arguments, option):
    _, err = cli(*arguments, code=2)
    assert f"{option} is given 2 times, but takes one value" in err


def test_options_that_may_be_given_twice(table):
    out, _ = cli("data", "show", "flats.csv", "--target", "warm", "--ignore", "price", "--ignore", "area")
    assert "left out: price (ignored), area (ignored)" in out
    assert cli("data", "list", "--json", "--json")[0].startswith("[")


def test_a_target_that_float32_cannot_hold_is_refused(table):
    lines = [f"{i},{1.7e9 + i % 97:.3f}\n" for i in range(200)]
    (table.parent / "times.csv").write_text("x,time\n" + "".join(lines))
    _, err = cli("train", "times.csv", "--target", "time", code=2)
    assert "times train: the target time varies by 2" in err
    assert "subtract 1.7e+09 from it in the table" in err


def test_a_folder_of_images(shapes, tmp_path):
    out, _ = cli("train", "shapes", "--size", "8x10", "--epochs", 30, "--out", "run")
    assert "images    48 (12 in colour and 36 in grey;" in out
    assert "converted to 8 high, 10 wide, in colour" in out
    assert Model.load("run/model.pellucid").input_shape == (8, 10, 3)
    assert "broken    2 images cannot be read" in out
    assert "left/99.png: not an image" in out
    assert "model     mlp" in out
    found = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert found["data"]["sizes"] == {"train": 38, "validation": 5, "test": 5}
    scores = json.loads(cli("evaluate", "run", "shapes", "--json")[0])
    assert (scores["part"], scores["samples"]) == ("images", 48)
    assert scores["accuracy"] > 0.9  # 1.0 for each of four seeds

    out, err = cli("predict", "run", "shapes/left")
    assert out.count("  left ") >= 20
    assert len(out.splitlines()) == 24
    assert "left out  shapes/left/99.png" in err
    (row,) = json.loads(cli("predict", "run", "shapes/right/03.png", "--json")[0])
    assert row["label"] == "right"
    assert cli("predict", "run", "shapes/right/99.png", code=2)[1].startswith("error: ")
    _, err = cli("evaluate", "run", "flats.csv", code=2)
    assert "there is no such file" in err


def test_the_run_folder_lists_all_broken_images(shapes, tmp_path):
    for i in range(12):
        (shapes / "left" / f"b{i}.png").write_bytes(b"")
    out, _ = cli("train", "shapes", "--epochs", 1, "--model", "mlp-small", "--out", "run")
    assert "resized to 32x32; --size sets another size" in out
    assert "and 4 more" in out
    listed = json.loads((tmp_path / "run" / "config.json").read_text())["data"]["skipped"]
    assert len(listed) == 14
    assert [str(shapes.relative_to(tmp_path) / "left" / "b0.png"), "not an ima"] == [listed[1][0], listed[1][1][:10]]


def test_sign_tests():
    y = np.arange(20.0)
    (pair,) = sign_tests(y, {"a": y + 0.1, "b": y - 0.2})
    assert (pair.first_closer, pair.second_closer) == (20, 0)
    assert pair.adjusted == pytest.approx(2 * 0.5**20)
    (pair,) = sign_tests(y, {"a": y + 0.1, "b": np.where(y < 10, y, y + 1)})
    assert "may be due to chance" in str(pair)


@pytest.fixture
def series(tmp_path, monkeypatch):
    """Two sines with noise over 240 days."""
    monkeypatch.chdir(tmp_path)
    random, t = np.random.default_rng(0), np.arange(240)
    a = 10 + 3 * np.sin(2 * np.pi * t / 12) + random.normal(0, 0.2, 240)
    b = 500 + 40 * np.cos(2 * np.pi * t / 12) + random.normal(0, 2, 240)
    days = np.datetime64("2024-01-01") + t
    rows = "".join(f"{day},{x:.3f},{y:.2f}\n" for day, x, y in zip(days, a, b, strict=True))
    (tmp_path / "waves.csv").write_text(f"day,a,b\n{rows}")
    return tmp_path


def test_forecasts_of_a_series(series):
    flags = "--target", "a, b", "--horizon", 6, "--season", 12
    out, _ = cli("train", "waves.csv", *flags, "--epochs", 12, "--out", "run")
    for part in ("time      day: from 2024-01-01", "split     in time: rows 1 to 192", "forecast: for series", "MAE of"):
        assert part in out
    names = {path.name for path in (series / "run").iterdir()}
    assert {"errors_by_step.png", "forecasts.png", "learning_curves.png"} <= names
    found = json.loads((series / "run" / "metrics.json").read_text())
    assert found["settings"]["reading"]["target"] == ["a", "b"]
    errors = found["forecast"]["targets"]["b"]
    assert len(errors["model"]["by_step"]) == 6
    assert errors["model"]["mae"] < 0.2 * errors["naive"]["mae"]  # 0.09 to 0.10 of it over four seeds
    assert set(errors) == {"model", "naive", "seasonal", "linear"}

    scores = json.loads(cli("evaluate", "run", "--json")[0])
    assert scores["forecast"] == found["forecast"]["targets"]
    assert scores["r2"] == pytest.approx(found["test"]["r2"])
    assert "MAE of" in cli("evaluate", "run", "waves.csv")[0]
    assert "MAE of" in cli("evaluate", "run", "run")[0]  # as an ensemble

    rows = json.loads(cli("predict", "run", "waves.csv", "--json", "--out", "next.csv")[0])
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["time"] == "2024-08-28"
    t = np.arange(240, 246)
    np.testing.assert_allclose([row["forecast"]["b"] for row in rows], 500 + 40 * np.cos(2 * np.pi * t / 12), atol=8)
    with open("next.csv", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert float(written[2]["a"]) == rows[2]["forecast"]["a"]
    model = Model.load("run/model.pellucid")
    forecast = model.predict(model.read("waves.csv", labelled=False))
    assert forecast[0, 2, 0] == pytest.approx(rows[2]["forecast"]["a"])

    cli("train", "waves.csv", *flags, "--model", "run/config.json", "--epochs", 1, "--out", "again")
    out, _ = cli("train", "waves.csv", *flags, "--from", "run", "--epochs", 1, "--out", "further")
    further = json.loads((series / "further" / "metrics.json").read_text())["forecast"]["targets"]["b"]["model"]["mae"]
    assert further < 0.2 * errors["naive"]["mae"]
    other = cli("train", "waves.csv", "--horizon", 6, "--target", "b,a", "--from", "run", code=2)[1]
    assert "the model forecasts a, b, and the data b, a" in other
    for arguments, message in (
        ((), "--target a,b"),
        (("--target", "a", "--season", 25, "--window", 24), "no value one season before"),
        (("--target", "a", "--size", "8x8"), "--size does not apply to series"),
        (("--target", "a", "--missing", "drop"), "missing='drop'"),
        (("--target", "a", "--model", "cnn"), "use --model forecast"),
        (("--target", "a", "--split-seed", 1), "--split-seed does not apply to series"),
    ):
        assert message in cli("train", "waves.csv", "--horizon", 6, *arguments, code=2)[1]
    assert "--horizon" in cli("train", "waves.csv", "--target", "a", "--horizon", 0, code=2)[1]
    assert "does not apply to tables without --horizon" in cli("train", "waves.csv", "--target", "a", "--window", 9, code=2)[1]


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (("evaluate", "run", "--copies"), 1000),
        (("data", "show", "mnist", "--count"), 40),
        *((("train", "flats.csv", "--target", "price", option), 10**9) for option in ("--horizon", "--window", "--season")),
    ],
)
def test_counts_have_a_maximum(words, most):
    for count in (most + 1, 9223372036854775807, 10**400):
        _, err = cli(*words, count, code=2)
        assert re.search(rf"(less than or equal to |range \d<=x<=){most}", " ".join(err.replace("│", " ").split()))


def test_too_little_memory_is_no_bug(table, monkeypatch):
    def fail(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr("pellucid.data.load", fail)
    _, err = cli("data", "show", "flats.csv", "--target", "price", code=2)
    assert re.fullmatch(r"error: there is not enough memory, of which [0-9.,]+ GB are free: use less data or .*\n", err)
