"""The command line on texts: from training to evaluation, prediction, comparison and examination."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import Model
from pellucid.cli import application
from pellucid.cli.compare import _compare_regressions, _compare_texts
from pellucid.data import Dataset
from pellucid.runs.presets import PRESETS

TEXT = "".join(f"{'abcde'[i % 5]}{'xyz'[i // 5 % 3]} {'uv' * (i % 3)}\n" for i in range(700))


def cli(*arguments, code=0):
    """Run the command. Returns (standard output, standard error)."""
    result = CliRunner().invoke(application(), [str(argument) for argument in arguments], prog_name="pellucid")
    assert result.exit_code == code, result.output + repr(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a bug keeps its traceback"
    return result.stdout, result.stderr


def refused(*arguments):
    """Return the message of the error."""
    _, error = cli(*arguments, code=2)
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.fixture
def text(tmp_path, monkeypatch):
    """A folder with a text; the presets train for 60 steps."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.txt").write_text(TEXT)
    for name in ("bigram", "mlp-lm", "gru-lm"):
        fit = dataclasses.replace(PRESETS[name].fit, epochs=2, batch_size=8, steps_per_epoch=30)
        monkeypatch.setitem(PRESETS, name, dataclasses.replace(PRESETS[name], fit=fit))
    return tmp_path


def test_a_text_from_training_to_comparison(text):
    out, err = cli("train", "my.txt", "--model", "bigram", "--context", 16, "--out", "one")
    assert "data      my: " in out
    assert "windows of 16 tokens" in out
    assert "split     by place: the first" in out
    assert "2 epochs of 30 steps" in out
    assert "bits per character" in out
    assert "after epoch 2 it writes:" in err
    assert sorted(path.name for path in (text / "one").iterdir()) == [
        "config.json",
        "history.csv",
        "learning_curves.png",
        "metrics.json",
        "model.pellucid",
        "samples.json",
        "status.json",
    ]
    out, _ = cli("evaluate", "one")
    assert "test      accuracy" in out
    assert "precision" not in out
    values = json.loads(cli("evaluate", "one", "--part", "validation", "--json")[0])
    assert values["bits_per_character"] == pytest.approx(values["loss"] / np.log(2), rel=1e-5)
    (text / "other.txt").write_text(TEXT[:500])
    out, _ = cli("evaluate", "one", "other.txt")
    assert "text" in out
    (text / "begin.txt").write_text("ax\nb")
    rows = json.loads(cli("predict", "one", "begin.txt", "--json")[0])
    assert len(rows[0]["probabilities"]) == len(set(TEXT))
    assert rows[0]["label"] in "xyz"
    assert "begin.txt  " in cli("predict", "one", "begin.txt", "--out", "p.csv")[0]
    assert (text / "p.csv").read_text().startswith("file,prediction,probability of \\n,")
    cli("train", "my.txt", "--model", "mlp-lm", "--context", 16, "--out", "two", "--quiet")
    out, _ = cli("compare", "one", "two", "--out", "both")
    assert "bits per character" in out
    assert "gives the higher probability to" in out
    assert "windows of the test part" in out
    assert (text / "both" / "comparison.json").is_file()
    assert json.loads(cli("compare", "one", "two", "--json")[0])["tests"][0]["first"] == "one"
    out, _ = cli("doctor", "one")
    assert "findings" in out


def test_pairs_of_several_runs_are_adjusted_for_numbers_and_for_texts(capsys, tmp_path):
    metrics = [{"run": name, "parameters": 10} for name in "abc"]
    y = np.arange(40, dtype=np.float32)
    data = Dataset(y[:, None], y)
    errors = {"a": 0.1, "b": 0.2, "c": 0.3}
    _compare_regressions(metrics, data, {name: y[:, None] + error for name, error in errors.items()}, tmp_path / "a", False)
    numbers = capsys.readouterr().out.splitlines()
    _compare_texts(metrics, data, {name: np.full(40, error) for name, error in errors.items()}, tmp_path / "b", False)
    texts = capsys.readouterr().out.splitlines()
    for found in (numbers, texts):
        assert [line.split()[0] for line in found[:3]] == ["a", "b", "c"]
        assert found[-2] == "(the p-values are adjusted for 3 pairs)"
    assert numbers[3].startswith("a is closer to the target for 40 samples, b for 0 (p = ")
    assert texts[3].startswith("a gives the higher probability to 40 lines of the test part, b to 0 (p = ")
    for name, found in (("a", numbers), ("b", texts)):
        written = json.loads((tmp_path / name / "comparison.json").read_text())
        assert [one["text"] for one in written["tests"]] == found[3:6]
        assert [one["adjusted"] >= one["p"] for one in written["tests"]] == [True] * 3


def test_lines(text):
    out, _ = cli("train", "my.txt", "--lines", "--model", "gru-lm", "--epochs", 2, "--out", "run")
    assert "700 lines of up to 7 tokens, each a sample" in out
    assert "560 training, 70 validation, 70 test samples" in out
    assert "accuracy" in cli("evaluate", "run")[0]
    (text / "begin.txt").write_text("ax\nb\n")
    (text / "last.txt").write_text("b")
    first, last = json.loads(cli("predict", "run", "begin.txt", "last.txt", "--json")[0])
    assert first["probabilities"] == last["probabilities"], "what follows the last line"
    assert "text      700 lines" in cli("data", "show", "my.txt", "--lines")[0]


def test_byte_pairs(text):
    pytest.importorskip("tokenizers")
    out, _ = cli("train", "my.txt", "--tokens", 265, "--context", 8, "--model", "bigram", "--out", "run")
    assert "265 different tokens" in out
    values = json.loads(cli("evaluate", "run", "--json")[0])
    assert values["bits_per_character"] < values["loss"] / np.log(2), "a token is more than one character"


def test_folders_and_encodings(text):
    (text / "books").mkdir()
    (text / "books" / "one.txt").write_bytes(("ä" + TEXT).encode("latin-1"))
    out, _ = cli("data", "show", "books", "--encoding", "latin-1", "--context", 8)
    assert "windows of 8 tokens" in out
    assert "frequent  " in out
    assert "text      äax␣\\nbx␣uv" in out
    assert "--encoding latin-1" in refused("train", "books")
    assert "there are no images to show" in refused("data", "show", "my.txt", "--out", "x.png")


@pytest.mark.parametrize("lines", [False, True])
def test_a_text_goes_on_from_a_run_on_another(text, lines):
    kind = ["--lines"] if lines else ["--context", 16]
    cli("train", "my.txt", *kind, "--model", "bigram", "--epochs", 1, "--out", "one", "--quiet")
    other = TEXT.replace("c", "b").replace("uv", "v")  # fewer characters, and shorter lines
    (text / "other.txt").write_bytes(other.encode("utf-16"))
    given = ["--lines"] * lines
    options = ["--from", "one", "--encoding", "utf-16", "--epochs", 1]
    out, _ = cli("train", "other.txt", *given, *options, "--out", "two")
    assert "1 of 1 arrays of parameters and statistics" in out
    first, second = (Model.load(text / name / "model.pellucid") for name in ("one", "two"))
    assert second.network == first.network
    assert second.input_shape == first.input_shape
    assert second.input_stage == dataclasses.replace(first.input_stage, encoding="utf-16"), "numbers mean the same tokens"
    stored = json.loads((text / "two" / "metrics.json").read_text())
    read = json.loads(cli("evaluate", "two", "--json")[0])
    assert read["loss"] == pytest.approx(stored["test"]["loss"], rel=1e-6), "the data is read as in the training"
    assert "left out" not in cli("doctor", "two")[0]
    cli("train", "other.txt", *given, *options, "--out", "three", "--quiet")
    assert "bits per character" in cli("compare", "two", "three")[0]
    (text / "strange.txt").write_text(TEXT + "Ω")
    assert "'Ω' at position" in refused("train", "strange.txt", *given, "--from", "one")
    wrong, advice = ([], "add --lines") if lines else (["--lines"], "leave --lines out")
    assert advice in refused("train", "my.txt", *wrong, "--from", "one")
    assert "leave --tokens out" in refused("train", "my.txt", *given, "--from", "one", "--tokens", 300)
    if not lines:
        assert "leave --context out" in refused("train", "my.txt", "--from", "one", "--context", 8)
    (text / "table.csv").write_text("a,b\n" + "".join(f"{i},{i % 3}\n" for i in range(60)))
    assert "and the data is no text" in refused("train", "table.csv", "--target", "b", "--from", "one")


def test_models_read_the_encoding_of_their_training(text):
    (text / "old.txt").write_bytes(TEXT.replace("v", "é").encode("latin-1"))
    cli("train", "old.txt", "--encoding", "latin-1", "--context", 8, "--model", "bigram", "--out", "run", "--quiet")
    (text / "begin.txt").write_bytes("ax ué".encode("latin-1"))
    (text / "utf8.txt").write_text("ax ué", encoding="utf-8")
    (text / "more.txt").write_bytes(("ax ué\n" * 20).encode("latin-1"))
    (old,) = json.loads(cli("predict", "run", "begin.txt", "--json")[0])
    (new,) = json.loads(cli("predict", "run", "utf8.txt", "--encoding", "utf-8", "--json")[0])
    assert (old["label"], old["probabilities"]) == (new["label"], new["probabilities"])
    loss = json.loads(cli("evaluate", "run", "more.txt", "--json")[0])["loss"]
    (text / "more.txt").write_text("ax ué\n" * 20, encoding="utf-8")
    assert json.loads(cli("evaluate", "run", "more.txt", "--encoding", "utf-8", "--json")[0])["loss"] == loss
    assert "'Ã' at position 4" in refused("predict", "run", "utf8.txt")
    assert "encoding='nonsense'" in refused("predict", "run", "begin.txt", "--encoding", "nonsense")
    assert "name it after the runs" in refused("evaluate", "run", "--encoding", "latin-1")
    cli("evaluate", "run")  # the text of the run itself
    table = "a,b\n" + "".join(f"{i},{i % 3}\n" for i in range(60))
    (text / "table.csv").write_text(table)
    cli("train", "table.csv", "--target", "b", "--epochs", 1, "--out", "table", "--quiet")
    assert "models that were trained on text" in refused("predict", "table", "table.csv", "--encoding", "latin-1")


def test_what_is_refused(text):
    (text / "empty.txt").write_text("")
    (text / "short.txt").write_text("abc" * 30)
    (text / "binary.txt").write_bytes(bytes(range(256)) * 20)
    (text / "notes.xyz").write_text(TEXT)
    (text / "folder").mkdir()
    (text / "table.csv").write_text("a,b\n" + "".join(f"{i},{i % 3}\n" for i in range(30)))
    assert "empty.txt is empty" in refused("train", "empty.txt")
    assert "too short for a context of 64" in refused("train", "short.txt")
    assert "binary data" in refused("train", "binary.txt")
    assert "or any text file with --context" in refused("train", "notes.xyz", "--model", "bigram")
    assert "expected one subfolder for each class" in refused("train", "folder")
    assert "there are no text files" in refused("train", "folder", "--context", 8)
    assert "--context does not apply to tables" in refused("train", "table.csv", "--target", "a", "--context", 8)
    assert "--target does not apply to text" in refused("train", "my.txt", "--target", "a")
    assert "--split-seed does not apply to text in windows" in refused(
        "train", "my.txt", "--model", "bigram", "--split-seed", 1
    )
    assert "--context does not apply with --lines" in refused("train", "my.txt", "--model", "bigram", "--lines", "--context", 8)
    assert "--lines does not apply to tinyshakespeare" in refused("train", "tinyshakespeare", "--lines")
    assert "use a language model" in refused("train", "my.txt", "--model", "mlp")
    assert "predicts the next token of a text" in refused("train", "table.csv", "--target", "a", "--model", "gpt")
    cli("train", "notes.xyz", "--model", "bigram", "--context", 8, "--epochs", 1, "--out", "run", "--quiet")
    (text / "strange.txt").write_text("ax QUIZ")
    assert "'Q' at position 3" in refused("predict", "run", "strange.txt")
    assert "'Q' at position 3" in refused("evaluate", "run", "strange.txt")
    assert "no such file" in refused("predict", "run", "nothing.txt")


def test_named_texts_are_listed(text):
    assert {"tinyshakespeare", "names"} <= {row["name"] for row in json.loads(cli("data", "list", "--json")[0])}
