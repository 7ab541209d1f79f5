"""Runs that start from another run: what is taken over, what is new, what is recorded, and what is refused."""

from __future__ import annotations

import contextlib
import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pellucid import (
    Add,
    BatchNorm,
    ConfigError,
    Conv2D,
    CrossEntropy,
    Dense,
    DensePerPosition,
    Dropout,
    Exp,
    FileError,
    Flatten,
    Frozen,
    GlobalAveragePool2D,
    Graph,
    LearnedScale,
    LogSquaredError,
    MeanSquaredError,
    Members,
    Model,
    Node,
    ReLU,
    Rescale,
    Sequential,
    ShapeError,
    Sigmoid,
    Softmax,
    Zeros,
    data,
)
from pellucid.app.api import RequestFields
from pellucid.app.tabs import compare_tables
from pellucid.cli import application
from pellucid.core.config import from_json
from pellucid.data import Dataset
from pellucid.data.sources.user_data import ReadOptions
from pellucid.errors import DataWarning
from pellucid.runs.fine_tuning import Start
from pellucid.runs.folder import load_data, open_run, read_metrics
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.run import prepare, run

pytestmark = pytest.mark.usefixtures("no_figures")
SMALL = RunSettings(model="mlp", hidden="8", epochs=1, batch_size=50, limit=100)


def train(settings, out, lines=None):
    return run(RunPlan.of(settings), out, notify=(lines if lines is not None else []).append, progress=False)


def cli(*arguments, code=0):
    result = CliRunner().invoke(application(), [str(argument) for argument in arguments], prog_name="pellucid")
    assert result.exit_code == code, result.output + repr(result.exception)
    return result.stdout + result.stderr


@pytest.fixture
def first(tmp_path, mnist_folder):
    train(SMALL, tmp_path / "first")
    return tmp_path / "first"


def test_a_run_starts_from_the_parameters_of_another(first, tmp_path):
    lines = []
    settings = dataclasses.replace(SMALL, hidden=None, from_run=str(first), seed=5)
    with contextlib.ExitStack() as held:
        prepared = prepare(RunPlan.of(settings), tmp_path / "prepared", force=False, notify=lines.append, held=held)
    source = Model.load(first / "model.pellucid")
    np.testing.assert_array_equal(prepared.model.parameters, source.parameters)
    assert prepared.model.state.steps == 0, "the state of the optimizer is not taken over"
    assert prepared.model.network == source.network
    assert prepared.plan.recipe.optimizer == RunPlan.of(SMALL).recipe.optimizer, "that of the preset"
    assert f"from      {first}: 4 of 4 arrays of parameters and statistics" in lines
    for name in ("second", "third"):
        train(settings, tmp_path / name)
    one, other = ((tmp_path / name / "model.pellucid").read_bytes() for name in ("second", "third"))
    assert one == other, "the run repeats"
    config = json.loads((tmp_path / "second" / "config.json").read_text())
    assert config["from"]["requested"] == str(first)
    assert config["from"] == Start.open(first).record()
    assert config["from"]["sha256"] != Start.open(tmp_path / "second").record()["sha256"]
    assert json.loads((tmp_path / "second" / "metrics.json").read_text())["settings"]["from_run"] == str(first)
    assert "from" not in json.loads((first / "config.json").read_text())


def test_other_classes_get_a_new_last_layer_and_images_the_size_of_the_model(first, tmp_path):
    random = np.random.default_rng(0)
    for name in ("left", "right"):
        (tmp_path / "shapes" / name).mkdir(parents=True)
        for i in range(20):
            image = random.integers(0, 80, (20, 20, 3), np.uint8)
            image[:, slice(0, 10) if name == "left" else slice(10, 20)] += 120
            Image.fromarray(image).save(tmp_path / "shapes" / name / f"{i}.png")
    out = cli("train", tmp_path / "shapes", "--from", first, "--epochs", 1, "--out", tmp_path / "shape")
    assert "2 of 4 arrays of parameters and statistics; new: dense2, for 2 classes" in out
    model, source = Model.load(tmp_path / "shape" / "model.pellucid"), Model.load(first / "model.pellucid")
    assert (model.input_shape, model.output_shape, model.classes) == ((28, 28, 1), (2,), ("left", "right"))
    assert 0 < np.abs(model.weights["dense1.W"] - source.weights["dense1.W"]).max() < 0.2, "one epoch away from the source"


def test_classes_of_other_names_are_new_even_if_they_are_as_many(first, tmp_path):
    start = Start.open(first)
    model = start.network(10).compile((28, 28, 1), CrossEntropy(), seed=9)
    assert "new: dense2, for 10 classes" in start.initialize(model, [f"article {i}" for i in range(10)])
    fresh = start.network(10).compile((28, 28, 1), CrossEntropy(), seed=9)
    np.testing.assert_array_equal(model.weights["dense2.W"], fresh.weights["dense2.W"])
    np.testing.assert_array_equal(model.weights["dense1.W"], start.model.weights["dense1.W"])
    assert model.input_stage == start.model.input_stage


def test_tables_keep_the_units_and_columns_of_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name, shift in (("old", 0), ("new", 5)):
        x = random.normal(shift, 1, (60, 2))
        rows = [f"{a:.3f},{b:.3f},{100 + 10 * a - b:.3f},{'yes' if a > shift else 'no'}" for a, b in x]
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,b,price,warm", *rows]))
    price = ("--target", "price", "--ignore", "warm")
    cli("train", "old.csv", *price, "--hidden", "4", "--epochs", 1, "--out", "regression")
    out = cli("train", "new.csv", *price, "--from", "regression", "--epochs", 1, "--out", "same")
    assert "10 of 10 arrays" in out
    old, new = (Model.load(f"{name}/model.pellucid") for name in ("regression", "same"))
    assert (new.network, new.input_stage) == (old.network, old.input_stage), "scaled like the data of the first run"
    out = cli("train", "new.csv", "--target", "warm", "--ignore", "price", "--from", "same", "--epochs", 1, "--out", "classes")
    assert "8 of 10 arrays of parameters and statistics; new: members1.denseperposition1, for 2 classes" in out
    assert Model.load("classes/model.pellucid").network.layers[-2].layers[-1] == DensePerPosition(2, Zeros())
    out = cli("train", "new.csv", "--target", "price", "--from", "same", "--epochs", 1, "--out", "again")
    assert "10 of 10 arrays" in out, "the columns are those of the model"
    out = cli("train", "new.csv", "--target", "a", "--from", "same", "--epochs", 1, code=2)
    assert "new.csv: a is a target, and a column that the model reads" in out


def write_table(path, shift=0.0, gaps=0):
    """Write a table with the columns a and b, the numbers price and rent, and the class warm."""
    random = np.random.default_rng(0)
    x = random.normal(shift, 1, (60, 2))
    rows = [[f"{a:.3f}", f"{b:.3f}", f"{100 + 10 * a - b:.3f}", f"{5 + b:.3f}", "yes" if a > shift else "no"] for a, b in x]
    for row in rows[:gaps]:
        row[0] = ""
    path.write_text("\n".join(",".join(row) for row in [["a", "b", "price", "rent", "warm"], *rows]))


def options_of(target):
    others = sorted({"price", "rent", "warm"} - {target})
    return ("--target", target, *(word for other in others for word in ("--ignore", other)))


@pytest.mark.parametrize("target", ["rent", "warm"])
def test_a_run_from_another_is_evaluated_with_its_own_target(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "old.csv")
    write_table(tmp_path / "new.csv", 1.0, gaps=9)
    cli("train", "old.csv", *options_of("price"), "--hidden", "4", "--epochs", 1, "--out", "price")
    changed = ("--missing", "drop", "--from", "price")
    cli("train", "new.csv", *options_of(target), *changed, "--epochs", 1, "--out", "second")
    model, config = open_run("second")
    assert (model.input_stage.target, model.input_stage.missing) == (target, "drop")
    assert cli("evaluate", "second")
    assert model.read("new.csv").origin.target == target
    first = Model.load("price/model.pellucid").input_stage
    trained = data.load("new.csv", None, 0, from_json(config["data"]["reading"], ReadOptions))
    assert len(trained.test) == 5
    for stage in (model.input_stage, first):  # the second one as in the files of earlier versions
        model.input_stage = stage
        splits = load_data(config, None, None, model)
        np.testing.assert_array_equal(splits.test.y, trained.test.y)
        np.testing.assert_array_equal(splits.test.x[:, 0], trained.test.x[:, 0])


def test_missing_values_of_a_new_table_are_treated_as_for_the_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "old.csv")
    write_table(tmp_path / "gaps.csv", gaps=9)
    first = (*options_of("price"), "--hidden", "4", "--epochs", 1)
    cli("train", "old.csv", *first, "--missing", "error", "--out", "strict")
    cli("train", "old.csv", *first, "--missing", "mean", "--out", "mean")
    second = ("train", "gaps.csv", *options_of("price"), "--epochs", 1)
    out = cli(*second, "--from", "strict", code=2)
    assert "gaps.csv: values are missing in a (9 of 60), and the model was trained without any" in out
    cli(*second, "--from", "strict", "--missing", "value", "--out", "value")
    cli(*second, "--from", "mean", "--out", "again")
    assert Model.load("again/model.pellucid").input_stage.missing == "mean"
    assert "use --missing mean, or drop" in cli(*second, "--from", "mean", "--missing", "value", code=2)
    assert "use --missing value, or drop" in cli(*second, "--from", "strict", "--missing", "mean", code=2)


def test_what_a_new_table_lacks_for_the_model_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, kinds, gap in (("old", "uvw", "0"), ("new", "uvxx", "")):
        rows = [f"{gap if i < 5 else i / 7},{kinds[i % len(kinds)]},{i * 0.3}" for i in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["a,kind,price", *rows]))
    cli("train", "old.csv", "--target", "price", "--hidden", "4", "--epochs", 1, "--out", "first")
    columns = Model.load("first/model.pellucid").input_stage.columns
    with pytest.warns(DataWarning) as caught:
        found = data.read_csv("new.csv", "price", columns=columns)
    messages = [str(warning.message) for warning in caught]
    assert any("kind: 30 rows have unknown categories ('x')" in message for message in messages)
    assert any("values are missing in a (5 of 60), which had none in training" in message for message in messages)
    assert "missing   a (5 of 60)" in found.origin.notes
    out = cli("train", "new.csv", "--target", "price", "--ignore", "a", "--from", "first", "--epochs", 1, code=2)
    assert "new.csv: a is ignored, and a column that the model reads" in out


@pytest.mark.parametrize("missing", ["value", "mean"])
def test_commands_read_the_table_of_such_a_run_with_the_columns_of_its_model(tmp_path, monkeypatch, missing):
    """The new table has other categories and gaps, and another target, than that of the first run."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for name, cities in (("old", ("Graz", "Linz")), ("new", ("Graz", "Linz", "Wien", ""))):
        rows = []
        for i in range(120):
            area, city = random.uniform(30, 120), cities[i % len(cities)]
            gap = name == "new" and i % 7 == 0
            rows.append(f"{'' if gap else f'{area:.1f}'},{city},{area * 30 + i % 2:.2f},{area / 9 + i % 4:.3f}")
        (tmp_path / f"{name}.csv").write_text("\n".join(["area,city,price,rent", *rows]))
    options = ("--target", "price", "--ignore", "rent", "--missing", missing)
    cli("train", "old.csv", *options, "--hidden", "4", "--epochs", 2, "--out", "first")
    for seed in (1, 2):
        options = ("--target", "rent", "--from", "first", "--seed", seed)
        cli("train", "new.csv", *options, "--epochs", 2, "--out", f"next-{seed}")
    measured = read_metrics(tmp_path / "next-1")
    model, config = open_run(tmp_path / "next-1")
    assert model.input_stage.target == "rent"
    splits = load_data(config, None, None, model)
    assert splits.sha256 == measured["data"]["sha256"]
    record = json.loads(cli("evaluate", "next-1", "--json", "--no-report").splitlines()[-1])
    assert record["mae"] == pytest.approx(measured["test"]["mae"])
    assert "is closer to the target" in cli("compare", "next-1", "next-2")
    assert "not checked: the data" not in cli("doctor", "next-1")
    assert "int8" in cli("export", "next-1", "--c", "program", "--int8")
    report = compare_tables.TableRuns(tmp_path, None).results(RequestFields({"runs": ["next-1", "next-2"]}))
    assert report["rows"][0]["mae"] == pytest.approx(measured["test"]["mae"])
    cli("evaluate", "next-1", "new.csv", "--report", "page.html")
    assert "Prediction intervals of 90 %" in (tmp_path / "page.html").read_text(), "calibrated with the run's own data"


HEADS = {
    "a nested head": (
        Sequential(Flatten(), Sequential(Dense(4), ReLU(), Sequential(Dense(3), Softmax()))),
        Sequential(Flatten(), Sequential(Dense(4), ReLU(), Sequential(Dense(5), Softmax()))),
    ),
    "a graph": (
        Graph(
            Node("flat", Flatten(), "input"),
            Node("a", Dense(3), "flat"),
            Node("b", Dense(3), "flat"),
            Node("sum", Add(), "a", "b"),
            Node("out", Dense(3), "sum"),
            Node("drop", Dropout(0.1), "out"),
            Node("soft", Softmax(), "drop"),
        ),
        Graph(
            Node("flat", Flatten(), "input"),
            Node("a", Dense(3), "flat"),
            Node("b", Dense(3), "flat"),
            Node("sum", Add(), "a", "b"),
            Node("out", Dense(5), "sum"),
            Node("drop", Dropout(0.1), "out"),
            Node("soft", Softmax(), "drop"),
        ),
    ),
    "a graph with a named input": (
        Graph(Node("flat", Flatten(), "image"), Node("out", Dense(3), "flat"), inputs=("image",), outputs=("out",)),
        Graph(Node("flat", Flatten(), "image"), Node("out", Dense(5), "flat"), inputs=("image",), outputs=("out",)),
    ),
    "a sigmoid": (Sequential(Flatten(), Dense(3), Sigmoid()), Sequential(Flatten(), Dense(5), Sigmoid())),
    "a frozen body": (
        Sequential(Frozen(Flatten(), Dense(4)), Dense(3), Softmax()),
        Sequential(Frozen(Flatten(), Dense(4)), Dense(5), Softmax()),
    ),
}


def start_of(network, loss):
    return Start("a.pellucid", network.compile((6, 6, 1), loss), "a")


@pytest.mark.parametrize("kind", HEADS)
def test_the_last_dense_gets_other_units(kind):
    network, wanted = HEADS[kind]
    start = start_of(network, MeanSquaredError() if "sigmoid" in kind or "named" in kind else CrossEntropy())
    assert start.network(5) == wanted
    assert start.network(3) == network


def write_costs(path, values=np.exp):
    """Write a table with one column and a target ``cost`` from its number."""
    x = np.linspace(0, 6, 60)
    path.write_text("x,cost\n" + "".join(f"{a:.4f},{b:.6f}\n" for a, b in zip(x, values(x), strict=True)))


def test_the_network_that_is_taken_over_decides_whether_logarithms_are_learned(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_costs(tmp_path / "skewed.csv")
    write_costs(tmp_path / "even.csv", lambda x: 1e6 + 1000 * np.linspace(-1, 1, len(x)))
    write_costs(tmp_path / "negative.csv", lambda x: x - 1)
    common = ("--target", "cost", "--hidden", "4", "--epochs", 1)
    assert "the logarithms of cost are learned" in cli("train", "skewed.csv", *common, "--out", "logs")
    assert "logarithms" not in cli("train", "even.csv", *common, "--out", "plain")
    second = ("--target", "cost", "--epochs", 1)
    out = cli("train", "skewed.csv", *second, "--from", "plain", "--out", "to_plain")
    assert "logarithms" not in out
    model, _ = open_run("to_plain")
    costs = load_data(open_run("to_plain")[1], None, None, model).train.y
    assert isinstance(model.loss, MeanSquaredError)
    assert model.loss.unit == pytest.approx(costs.std())
    out = cli("train", "even.csv", *second, "--from", "logs", "--out", "to_logs")
    assert "scale     the logarithms of cost are learned, as logs does" in out
    model, _ = open_run("to_logs")
    costs = load_data(open_run("to_logs")[1], None, None, model).train.y
    assert isinstance(model.loss, LogSquaredError)
    assert model.loss.unit == pytest.approx(np.log(costs).std())
    out = cli("train", "negative.csv", *second, "--from", "logs", code=2)
    assert "a target has values down to -1, which have none" in out
    out = cli("train", "even.csv", *second, "--from", "logs", "--no-logarithm", code=2)
    assert "--no-logarithm: logs has learned the logarithms of its target" in out


def test_several_targets_keep_their_units_or_get_new_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.linspace(-1, 1, 60)
    columns = {"a": x, "b": x**2, "p": 100 + 10 * x, "q": 5 - x, "r": x**3, "c": np.where(x > 0, 1, 0)}
    cells = np.column_stack(list(columns.values())).tolist()
    (tmp_path / "t.csv").write_text("\n".join([",".join(columns), *(",".join(f"{v:.4f}" for v in row) for row in cells)]))

    def options(*targets):
        ignored = [word for name in "pqrc" if name not in targets for word in ("--ignore", name)]
        return ("t.csv", "--target", ",".join(targets), *ignored, "--epochs", 1)

    cli("train", *options("p", "q"), "--hidden", "4", "--out", "two")
    first = Model.load("two/model.pellucid")
    out = cli("train", *options("p", "q"), "--from", "two", "--out", "same")
    assert "new:" not in out
    assert Model.load("same/model.pellucid").network == first.network
    out = cli("train", *options("p", "q", "r"), "--from", "two", "--out", "three")
    assert "for 3 numbers" in out
    rescale = Model.load("three/model.pellucid").network.layers[-1]
    assert rescale.scale[:2] == first.network.layers[-1].scale
    assert "for one number" in cli("train", *options("r"), "--from", "two", "--out", "one")
    out = cli("train", *options("c"), "--from", "two", "--out", "classes")
    assert "for 2 classes" in out
    model = Model.load("classes/model.pellucid")
    assert isinstance(model.network.layers[-1], Softmax)
    assert not any(isinstance(layer, Rescale) for layer in model.network.layers)
    assert "for one number" in cli("train", *options("r"), "--from", "classes", "--out", "number")


def test_numbers_become_classes():
    start = start_of(Sequential(Flatten(), Dense(4), Dense(1), Rescale(3.0, 2.0)), MeanSquaredError())
    assert start.network(1) == start.model.network
    assert start.network(3) == Sequential(Flatten(), Dense(4), Dense(3), Softmax())
    ensemble = Members(2, LearnedScale(), Dense(4), DensePerPosition(1))
    start = start_of(Sequential(Flatten(), ensemble, Rescale(3.0, 2.0)), MeanSquaredError())
    wider = Members(2, LearnedScale(), Dense(4), DensePerPosition(3))
    assert start.network(3) == Sequential(Flatten(), wider, Softmax())
    start = start_of(Sequential(Flatten(), Dense(2), Rescale((3.0, 1.0), (2.0, 0.0)), Exp()), LogSquaredError())
    assert start.network(2) == start.model.network
    assert start.network(3) == Sequential(Flatten(), Dense(3), Softmax())


@pytest.mark.parametrize(
    "last",
    [
        [Conv2D(3, 6), Flatten(), Softmax()],
        [Conv2D(3, 3), GlobalAveragePool2D(), Softmax()],
        [Flatten(), Dense(3), BatchNorm()],
    ],
)
def test_a_network_with_another_last_layer_is_refused(last):
    loss = CrossEntropy() if isinstance(last[-1], Softmax) else MeanSquaredError()
    with pytest.raises(ConfigError, match=r"outputs \(3,\), and the data needs 5, but only a network that ends in Dense"):
        start_of(Sequential(*last), loss).network(5)


def test_what_does_not_fit_is_refused(first, tmp_path):
    with pytest.raises(ConfigError, match="--hidden 4: --from takes the network of the run"):
        RunPlan.of(dataclasses.replace(SMALL, hidden="4", from_run=str(first)))
    with pytest.raises(FileError, match="there is no run folder or model file nowhere"):
        RunPlan.of(dataclasses.replace(SMALL, hidden=None, from_run="nowhere"))
    assert "--model mlp: --from takes the network of the run" in cli("train", "--from", first, "--model", "mlp", code=2)
    model = Sequential(Flatten(), Dense(10), Softmax()).compile((8, 8, 1), CrossEntropy())
    model.save(tmp_path / "other.pellucid")
    for shape, needed in (((12, 2), "the same columns and --window 12"), ((3,), "the same columns"), ((8, 8, 1), "images of")):
        start = Start("a", Sequential(Flatten(), Dense(1)).compile(shape), "a")
        with pytest.raises(ShapeError, match=rf"the data has \(4, 5\); it needs {needed}"):
            start.check(Dataset(np.zeros((2, 4, 5)), None))
    with pytest.raises(ShapeError, match=r"trained on samples of the shape \(8, 8, 1\), and the data has \(28, 28, 1\)"):
        train(dataclasses.replace(SMALL, hidden=None, from_run=str(tmp_path / "other.pellucid")), tmp_path / "refused")
    assert not (tmp_path / "refused").exists()
