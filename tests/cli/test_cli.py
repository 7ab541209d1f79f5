"""The command line, on a small data set in the files of MNIST: what it prints and writes, and its exit codes."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import pellucid
from pellucid import Dense, Flatten, Model, Sequential, Softmax
from pellucid.cli import COMMANDS, application, main
from pellucid.cli.common import echo, print_json
from pellucid.core.config import from_json, to_json
from pellucid.data import Augmentation, Corrections, digit, mnist
from pellucid.training.threads import available_cores

RESULTS = "config.json", "confusion_matrix.png", "history.csv", "learning_curves.png", "metrics.json", "model.pellucid"
RUN_FILES = [*RESULTS, "status.json"]
TRAIN = ("train", "mnist", "--model", "mlp-small", "--optimizer", "adam", "--lr", "0.01", "--epochs", "3")
# The command in a separate process, which accepts the small files as those of MNIST, like this one.
CHILD = """
import pathlib, sys
sys.path.insert(0, sys.argv.pop(1))
import published_mnist
published_mnist.publish(pathlib.Path(sys.argv.pop(1)))
from pellucid.cli import main
main()
"""

pytestmark = pytest.mark.usefixtures("mnist_folder")


def cli(*arguments, code=0):
    """Run the command. Returns (standard output, standard error)."""
    result = CliRunner().invoke(application(), [str(argument) for argument in arguments], prog_name="pellucid")
    assert result.exit_code == code, result.output + repr(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a bug keeps its traceback"
    return result.stdout, result.stderr


def in_child(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-c", CHILD, str(Path(__file__).parents[1]), str(folder), *arguments]


TRAINED: list[Path] = []


@pytest.fixture
def run(tmp_path, tmp_path_factory):
    """A run folder. All are copies of one, which is trained once."""
    if not TRAINED:
        folder = tmp_path_factory.mktemp("trained") / "run"
        cli(*TRAIN, "--out", folder, "--quiet")
        TRAINED.append(folder)
    return Path(shutil.copytree(TRAINED[0], tmp_path / "run"))


@pytest.mark.parametrize(("kernels", "flags", "said"), [("reference", (), 1), ("reference", ("--deterministic",), 0)])
def test_train_says_where_its_rounding_depends_on_the_cores(tmp_path, monkeypatch, kernels, flags, said):
    monkeypatch.setenv("PELLUCID_KERNELS", kernels)
    out, _ = cli(*TRAIN, *flags, "--out", tmp_path / "run")
    assert out.count("another number of cores may round differently; --deterministic prevents it") == said


def test_train_prints_what_it_does_and_writes_a_run_folder(tmp_path):
    out, err = cli(*TRAIN, "--seed", 3, "--out", tmp_path / "run")
    assert "mnist: 400 training, 50 validation, 100 test samples" in out
    assert "25,450 parameters" in out
    assert re.search(r"kernels, .*\d thread", out)
    assert out.count("95 % interval") == 2
    assert "precision   recall" in out
    assert str(tmp_path / "run") in out
    assert [line.split()[1] for line in err.splitlines() if line.startswith("epoch")] == ["1/3", "2/3", "3/3"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == RUN_FILES

    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["seed"] == 3
    assert config["fit"]["epochs"] == 3
    assert config["fit"]["batch_size"] == 100
    assert config["optimizer"]["class"] == "Adam"
    assert config["optimizer"]["learning_rate"] == 0.01
    assert config["network"]["class"] == "Sequential"

    with open(tmp_path / "run" / "history.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    named = "epoch,seconds,learning_rate,train_loss,train_accuracy,validation_loss,validation_accuracy"
    assert ",".join(rows[0]) == named
    assert [(row["epoch"], row["learning_rate"]) for row in rows] == [("1", "0.01"), ("2", "0.01"), ("3", "0.01")]

    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    splits = mnist()
    assert metrics["data"] == {"name": "mnist", "source": splits.source, "sizes": splits.sizes, "sha256": splits.sha256}
    model = Model.load(tmp_path / "run" / "model.pellucid")
    for part in ("train", "validation", "test"):
        scores = model.evaluate(getattr(splits, part))
        assert metrics[part]["accuracy"] == pytest.approx(scores["accuracy"])
        assert metrics[part]["loss"] == pytest.approx(scores["loss"], rel=1e-6)
    assert metrics["test"]["accuracy"] > 0.8  # 1.0 for each of six seeds
    assert metrics["parameters"] == model.parameter_count == 25_450
    assert metrics["seconds"] > 0
    assert metrics["versions"]["pellucid"] == pellucid.__version__
    for figure in ("learning_curves.png", "confusion_matrix.png"):
        assert (tmp_path / "run" / figure).read_bytes().startswith(b"\x89PNG")


def test_evaluate(run):
    out, _ = cli("evaluate", run, "--json")
    scores = json.loads(out)
    expected = json.loads((run / "metrics.json").read_text())["test"]
    assert (scores["data"], scores["part"], scores["samples"]) == ("mnist", "test", 100)
    assert scores["accuracy"] == expected["accuracy"]
    assert scores["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert np.sum(scores["confusion_matrix"]) == 100
    text, _ = cli("evaluate", run, "mnist", "--part", "validation")
    expected = Model.load(run / "model.pellucid").evaluate(mnist().validation)
    assert f"accuracy {100 * expected['accuracy']:.2f} % (95 % interval" in text
    assert f"loss {expected['loss']:.4f}" in text


def test_evaluate_draws_the_mistakes(run, tmp_path):
    file = tmp_path / "wrong.png"
    assert "mistakes  none, so no figure was drawn" in cli("evaluate", run, "--part", "validation", "--mistakes", file)[0]
    assert not file.exists()
    model, data = Model.load(run / "model.pellucid"), mnist().validation
    model.parameters[:] *= -1
    model.save(run / "model.pellucid")
    wrong = int((model.predict(data.x).argmax(axis=1) != data.y).sum())
    assert wrong > 0
    text, _ = cli("evaluate", run, "--part", "validation", "--mistakes", file)
    assert f"mistakes  those with the most confident predictions are in {file}" in text
    with Image.open(file) as image:
        assert f"{wrong} of 50 wrong" in image.info["Description"]
    assert json.loads(cli("evaluate", run, "--json", "--mistakes", tmp_path / "wrong.svg")[0])["accuracy"] < 1
    assert (tmp_path / "wrong.svg").exists()


def test_several_runs_are_an_ensemble(run, tmp_path):
    cli("train", "--model", "mlp-small", "--epochs", 2, "--seed", 5, "--out", tmp_path / "other", "--quiet")
    models = [Model.load(path / "model.pellucid") for path in (run, tmp_path / "other")]
    test = mnist().test
    scores = json.loads(cli("evaluate", run, tmp_path / "other", "--json")[0])
    mean = (models[0].predict(test.x) + models[1].predict(test.x)) / 2
    assert scores["runs"] == [str(run), str(tmp_path / "other")]
    assert scores["accuracy"] == pytest.approx((mean.argmax(axis=1) == test.y).mean())
    assert scores["loss"] == pytest.approx(-np.log(mean[np.arange(100), test.y]).mean(), rel=1e-5)
    text, _ = cli("evaluate", run, tmp_path / "other", "mnist", "--copies", 2, "--augmentation", "shift=1")
    assert "ensemble  2 models, each with 2 augmented copies of every image (Augmentation(shift=1.0))" in text


def test_training_with_augmentation(tmp_path, mnist_folder):
    out, _ = cli(
        "train", "--model", "mlp-small", "--epochs", 1, "--augmentation", "rotation=5,shift=1", "--out", tmp_path / "a"
    )
    assert "augmented Augmentation(rotation=5.0, shift=1.0)" in out
    fit = json.loads((tmp_path / "a" / "config.json").read_text())["fit"]
    assert from_json(fit["augmentation"], Augmentation) == Augmentation(rotation=5, shift=1)
    cli("train", "--model", "mlp-small", "--epochs", 1, "--out", tmp_path / "b", "--quiet")
    assert json.loads((tmp_path / "b" / "config.json").read_text())["fit"]["augmentation"] is None
    one, other = (Model.load(tmp_path / name / "model.pellucid").parameters for name in "ab")
    assert not np.array_equal(one, other)


def test_predict(run, tmp_path, mnist_folder):
    test = mnist().test
    model = Model.load(run / "model.pellucid")
    p = model.predict(test.x)
    sure = int(p.max(axis=1).argmax())
    label = str(p[sure].argmax())
    Image.fromarray(test.x[sure, ..., 0]).save(tmp_path / "small.png")
    drawn = np.where(test.x[sure, ..., 0] > 100, test.x[sure, ..., 0], 0)
    page = 255 - np.kron(drawn, np.ones((10, 10), np.uint8))
    photo = np.pad(page, ((300, 10), (10, 50)), constant_values=255)  # a large dark digit, off the centre of light paper
    Image.fromarray(photo).convert("RGB").save(tmp_path / "photo.png")
    rows = json.loads(cli("predict", run, tmp_path / "small.png", tmp_path / "photo.png", "--json")[0])
    assert [set(row) for row in rows] == 2 * [{"file", "label", "probabilities"}]
    assert [row["file"] for row in rows] == [str(tmp_path / "small.png"), str(tmp_path / "photo.png")]
    assert rows[0]["label"] == label
    assert rows[0]["probabilities"] == pytest.approx(p[sure].tolist(), rel=1e-4)
    # A photograph becomes a digit like those of MNIST, wherever on the paper it was.
    assert rows[1]["probabilities"] == pytest.approx(model.predict(digit(photo)[None])[0].tolist(), rel=1e-4)
    np.testing.assert_array_equal(digit(photo), digit(page))
    text, _ = cli("predict", run / "model.pellucid", tmp_path / "small.png")
    assert text.split()[:2] == [str(tmp_path / "small.png"), label]


def test_an_empty_sheet_is_no_digit(run, tmp_path):
    Image.fromarray(np.full((60, 60), 255, np.uint8)).save(tmp_path / "empty.png")
    assert "empty.png: this image is empty" in cli("predict", run, tmp_path / "empty.png", code=2)[1]


def test_evaluate_on_corrections(run, tmp_path):
    folder = Corrections(tmp_path / "corrections")
    line = np.array([[10.0, 10.0], [10.0, 90.0]])
    for label, size in (("1", 1), ("1", 2), ("7", 1), ("no digit", 1)):  # the same drawing would be stored once
        folder.add([size * line], None, label, None)
    x = digit([line.tolist()])
    scores = json.loads(cli("evaluate", run, tmp_path / "corrections", "--json")[0])
    predicted = int(Model.load(run / "model.pellucid").predict(x[None]).argmax())
    assert (scores["data"], scores["samples"]) == ("corrections", 3)  # a model of ten classes does not have that of the fourth
    assert scores["accuracy"] == pytest.approx({1: 2 / 3, 7: 1 / 3}.get(predicted, 0))
    text, _ = cli("evaluate", run, tmp_path / "corrections")
    assert "corrections: 3 drawings" in text
    (tmp_path / "empty").mkdir()
    assert "has no corrections" in cli("evaluate", run, tmp_path / "empty", code=2)[1]


def test_compare(run, tmp_path):
    other = tmp_path / "other"
    cli("train", "--model", "mlp-small", "--epochs", 1, "--lr", "0.001", "--out", other, "--quiet")
    text, _ = cli("compare", run, other, "--out", tmp_path / "compared")
    lines = text.splitlines()
    for column in (
        "run",
        "data",
        "parameters",
        "multiply-adds",
        "epochs",
        "seconds",
        "energy",
        "test accuracy",
        "95 % interval",
    ):
        assert column in lines[0]
    assert lines[2].split()[:4] == ["run", "mnist", "25,450", "25,408"]
    y, test = mnist().test.y, mnist().test
    first, second = (Model.load(path / "model.pellucid").predict(test.x).argmax(axis=1) for path in (run, other))
    only = int(((first == y) & (second != y)).sum()), int(((second == y) & (first != y)).sum())
    assert only[0] > 20 > only[1], "one epoch at a small rate is worse"
    assert f"run is better than other: {only[0]} right only in run, {only[1]} only in other (p = " in text
    assert f"they disagree on {(first != second).sum()} of 100 samples" in text
    for figure in ("accuracies.png", "disagreements.png"):
        assert (tmp_path / "compared" / figure).read_bytes().startswith(b"\x89PNG")
    found = json.loads(cli("compare", run, other, "--json")[0])
    assert found == json.loads((tmp_path / "compared" / "comparison.json").read_text())
    assert found["runs"][0]["test"] == json.loads((run / "metrics.json").read_text())["test"]
    assert found["tests"][0]["only_first"] == only[0]
    assert found["disagreements"] == sorted(
        np.flatnonzero(first != second), key=lambda i: ((first[i] == y[i]) + int(second[i] == y[i]), i)
    )
    energy = found["runs"][0]["energy"]
    assert energy["how"] in ("measured", "estimated")
    assert 0 < energy["low"] <= energy["joules"] <= energy["high"]
    assert "is not a run folder" in cli("compare", tmp_path, code=2)[1]
    assert "the same run is given twice" in cli("compare", run, run, code=2)[1]
    assert "makes no mistakes" in text or "classifies " in text
    metrics = json.loads((other / "metrics.json").read_text())
    metrics["data"]["sha256"] = "another"
    (other / "metrics.json").write_text(json.dumps(metrics))
    assert "tested on different data" in cli("compare", run, other, code=2)[1]


def test_data(mnist_folder):
    rows = json.loads(cli("data", "list", "--json")[0])
    assert [row["name"] for row in rows] == [
        "mnist",
        "fashion-mnist",
        "pendigits",
        "drawings",
        "mnist-scenes",
        "tinyshakespeare",
        "names",
    ]
    assert rows[3]["where"] == "needs pendigits"
    assert rows[0]["ok"]
    assert not rows[1]["ok"]
    assert str(mnist_folder) in cli("data", "list")[0]
    out, _ = cli("data", "show", "mnist", "--count", 2)
    assert "0: 40  1: 40" in out
    assert "█" in out
    assert len(out.splitlines()) == 2 + 1 + 14
    out, _ = cli("data", "show", "mnist", "--count", 3, "--augment", "--augmentation", "affine")
    assert "augmented Augmentation(rotation=10.0" in out
    assert len(out.splitlines()) == 3 + 3 * (1 + 14)
    out, _ = cli("data", "show", "mnist", "--augment", "--out", "digits.png")
    assert "the images are in digits.png" in out
    assert Path("digits.png").read_bytes().startswith(b"\x89PNG")


def test_a_network_from_a_file(run, tmp_path):
    network = json.loads((run / "config.json").read_text())["network"]
    (tmp_path / "mine.json").write_text(json.dumps(network))
    cli("train", "--model", tmp_path / "mine.json", "--epochs", 1, "--quiet")
    (tmp_path / "tiny.json").write_text(json.dumps(to_json(Sequential(Flatten(), Dense(10), Softmax()))))
    out, _ = cli("train", "--model", tmp_path / "tiny.json", "--epochs", 1)
    assert "7,850 parameters" in out
    assert Model.load("runs/mine-1/model.pellucid").parameter_count == 25_450


def test_quiet_runs_in_numbered_folders(mnist_folder, monkeypatch):
    monkeypatch.delenv("PELLUCID_DATA")
    flags = ("--limit", 60, "--data-dir", mnist_folder, "--quiet", "--deterministic", "--early-stopping", 2, "--split-seed", 9)
    for number in (1, 2):
        assert cli("train", "--epochs", 1, *flags) == ("", "")
        assert sorted(path.name for path in Path(f"runs/mlp-{number}").iterdir()) == RUN_FILES
    assert json.loads(Path("runs/mlp-2/metrics.json").read_text())["threads"] in {f"{available_cores()} threads", "1 thread"}
    config = json.loads(Path("runs/mlp-2/config.json").read_text())
    assert (config["data"]["limit"], config["data"]["split_seed"]) == (60, 9)
    assert config["fit"]["deterministic"]
    assert config["fit"]["policies"][0]["patience"] == 2


def test_a_folder_that_is_not_empty_is_kept_unless_forced(run):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    _, err = cli(*TRAIN, "--out", run, code=2)
    assert "is not empty: choose another folder with --out, or write into it with --force" in err
    _, err = cli("train", "mnist", "--lr", "1e9", "--model", "mlp", "--epochs", 3, "--out", run, "--force", code=2)
    assert "training diverged" in err
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    cli(*TRAIN, "--out", run, "--force", "--quiet", "--seed", 1)
    assert (run / "model.pellucid").read_bytes() != before["model.pellucid"]


def test_the_same_seed_gives_the_same_file(tmp_path, mnist_folder):
    arguments = (*TRAIN, "--quiet", "--seed", "5", "--out")
    cli(*arguments, tmp_path / "a")
    subprocess.run(in_child(mnist_folder, *arguments, str(tmp_path / "b")), check=True)
    assert (tmp_path / "a" / "model.pellucid").read_bytes() == (tmp_path / "b" / "model.pellucid").read_bytes()


def test_ctrl_c_while_modules_are_imported_is_one_line(monkeypatch, capsys):
    def interrupt(name):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "argv", ["pellucid", "train", "mnist"])
    monkeypatch.setattr("importlib.import_module", interrupt)
    with pytest.raises(SystemExit) as error:
        main()
    assert (error.value.code, capsys.readouterr().err) == (130, "interrupted\n")


def test_an_interrupted_run_is_kept(tmp_path, mnist_folder):
    arguments = in_child(mnist_folder, *TRAIN[:-1], "20000", "--out", str(tmp_path / "run"))
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr.readline().startswith("epoch")
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=300)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert "interrupted: the parameters trained so far are kept" in out
    assert out.splitlines()[-1] == f"continue with: pellucid resume {tmp_path / 'run'}"
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["checkpoints", *RUN_FILES]
    assert json.loads((tmp_path / "run" / "status.json").read_text())["status"] == "interrupted"
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["interrupted"]
    assert "accuracy" in cli("evaluate", tmp_path / "run")[0]


BAD = {
    "preset": (("train", "--model", "mlp-smal"), "did you mean 'mlp-small'"),
    "optimizer": (("train", "--optimizer", "adm"), "did you mean 'adam'"),
    "data": (("train", "minst"), "did you mean 'mnist'"),
    "zero epochs": (("train", "--epochs", "0"), "--epochs must be at least 1, got 0"),
    "negative batch size": (("train", "--batch-size", "-5"), "--batch-size must be at least 1, got -5"),
    "too many epochs": (("train", "--epochs", "1" + "0" * 400), "--epochs must be at most 1,000,000,000"),
    "too many samples": (("train", "--limit", "9223372036854775807"), "--limit must be at most 1,000,000,000"),
    "a batch without end": (("train", "--batch-size", "9223372036854775807"), "--batch-size must be at most 1,000,000,000"),
    "patience without end": (("train", "--early-stopping", "1000000001"), "--early-stopping must be at most 1,000,000,000"),
    "too large": (("train", "--model", "mlp", "--hidden", "1000000x1000000"), "(dense2 has an array of 1,000,000 × 1,000,000)"),
    "a large preset": (("doctor", "mnist", "--labels", "--epochs", "9223372036854775807"), "--epochs must be at most"),
    "no limit": (("train", "--limit", "0"), "--limit must be at least 1"),
    "one class only": (("train", "--limit", "1"), "a classifier needs at least two classes"),
    "learning rate": (("train", "--lr", "-1"), "learning_rate must be above 0"),
    "learning rate 1e9": (("train", "--lr", "1e9"), "at a learning rate of 1e+09; the usual causes"),
    "a folder below a file": (("train", "--out", "lies.json/run"), "cannot create the folder"),
    "no such data": (("train", "--data-dir", "nowhere"), "there is no such folder"),
    "no such network": (("train", "--model", "nowhere.json"), "nowhere.json"),
    "a key": (("train", "--model", "lies.json"), "Dense has no setting 'unit': did you mean 'units'"),
    "no JSON": (("train", "--model", "text.json"), "is not a JSON file"),
    "no run": (("evaluate", "nowhere"), "there is no run folder or model file nowhere"),
    "no model": (("evaluate", "text.json"), "text.json is not a complete Pellucid model file: it is a file of another kind"),
    "no model for images": (("predict", "text.json", "text.json"), "not a complete Pellucid model file"),
    "augmentation": (("train", "--augmentation", "elastik"), "did you mean 'elastic'"),
    "an amount": (("data", "show", "--augmentation", "shift=far"), "is not a number"),
    "one of two runs": (("evaluate", "text.json", "runs/nowhere"), "text.json is not a complete Pellucid model file"),
    "no copies": (("evaluate", "text.json", "--augmentation", "affine"), "give their number with --copies"),
    "data set": (("data", "show", "minst"), "did you mean 'mnist'"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message):
    Path("lies.json").write_text(json.dumps({"class": "Sequential", "layers": [{"class": "Dense", "unit": 3}]}))
    Path("text.json").write_text("no JSON, and no model either")
    _, err = cli(*arguments, code=2)
    errors = [line for line in err.splitlines() if not line.startswith("epoch ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    assert message in errors[0]
    assert not [path for path in Path("runs").rglob("*") if path.is_file()], "a run that failed leaves no files"


def test_files_that_are_not_images_or_models(run):
    Path("image.png").write_text("not an image")
    assert "not an image of a known format" in cli("predict", run, "image.png", code=2)[1]
    content = bytearray((run / "model.pellucid").read_bytes())
    content[-1] ^= 1
    (run / "model.pellucid").write_bytes(content)
    assert "does not match its SHA-256" in cli("evaluate", run, code=2)[1]


def test_the_list_of_commands_imports_none_of_them():
    code = (
        "import sys; from pellucid.cli import main\n"
        "try: main()\nfinally: assert 'numpy' not in sys.modules and 'pellucid.cli.train' not in sys.modules"
    )
    shown = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True).stdout
    for command, summary in COMMANDS.items():
        assert f"{command:<8}  {summary}" in shown


SUBCOMMANDS = ["data list", "data fetch", "data show", "lab list", "lab run", "lab report"]


@pytest.mark.parametrize("command", ["", *COMMANDS, *SUBCOMMANDS])
def test_help_and_unknown_flags(command):
    words = command.split()
    out, _ = cli(*words, "--help")
    assert out.startswith("Usage: pellucid " + command)
    _, err = cli(*words, "--no-such-flag", code=2)
    assert "--no-such-flag" in err


def test_a_code_page_without_some_characters_prints_them_as_escapes(monkeypatch):
    """What Windows gives a file or pipe. Lines of text have escapes, and JSON is still JSON."""
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, "cp1252", write_through=True))
    monkeypatch.setattr(sys, "argv", ["pellucid", "data", "list", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert {"mnist", "drawings"} <= {row["name"] for row in json.loads(printed.getvalue())}
    printed.seek(0)
    printed.truncate()
    echo("R² of x ≥ 0 − 1")
    print_json(["− 😀"])
    text, row = printed.getvalue().decode("cp1252").splitlines()
    assert text == r"R² of x \u2265 0 \u2212 1"
    assert json.loads(row) == ["− 😀"]
