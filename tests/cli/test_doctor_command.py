"""``pellucid doctor``: findings on runs and data, as text and as JSON, and the search for wrong labels."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from pellucid.cli import application
from pellucid.data import Dataset, from_arrays
from pellucid.doctor import Diagnosis, Finding
from pellucid.doctor.data_kinds import DATA_KINDS
from pellucid.doctor.kinds import KINDS
from pellucid.doctor.order import ORDER, most_serious_first
from pellucid.runs.examination import file_rows, read_history


def cli(*arguments, code=0):
    """Run the command. Returns (standard output, standard error)."""
    result = CliRunner().invoke(application(), [str(argument) for argument in arguments], prog_name="pellucid")
    assert result.exit_code == code, result.output + repr(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), "a bug keeps its traceback"
    return result.stdout, result.stderr


@pytest.fixture
def flats(tmp_path, monkeypatch):
    """400 flats: one area is a typing error, and "paid" is known only when the answer "warm" is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "90")
    random = np.random.default_rng(0)
    with open("flats.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "year", "paid", "warm"])
        for i in range(400):
            area = random.uniform(30, 120)
            warm = random.random() < (0.95 if area > 75 else 0.05)
            writer.writerow(
                [99999 if i == 17 else f"{area:.1f}", random.integers(1900, 2020), 3 + warm, "yes" if warm else "no"]
            )
    return tmp_path / "flats.csv"


def test_findings_on_a_table(flats):
    out, _ = cli("doctor", flats, "--target", "warm")
    lines = out.splitlines()
    assert lines[0].startswith("data      flats: 320 training")
    assert lines[1:4] == ["findings  2, the most serious first", "", "leaked-target: column paid"]
    assert "outliers: column area" in lines
    assert ": row 18 of the file." in out
    assert max(map(len, lines[1:])) < 90
    out, _ = cli("doctor", flats, "--target", "warm", "--ignore", "paid", "--ignore", "area")
    assert out.splitlines()[1:] == ["findings  none"]


def test_json(flats):
    record = json.loads(cli("doctor", flats, "--target", "warm", "--json")[0])
    assert [one["kind"] for one in record["findings"]] == ["leaked-target", "outliers"]
    assert record["findings"][1]["where"] == "column area"
    assert record["data"]["sizes"] == {"train": 320, "validation": 40, "test": 40}
    assert record["not_checked"] == []


def test_a_run_is_examined_with_its_data_and_history(flats):
    cli("train", flats, "--target", "warm", "--epochs", 3, "--out", "run", "--quiet")
    out, _ = cli("doctor", "run")
    assert out.splitlines()[:2] == ["run       run", "findings  2, the most serious first"]
    assert "leaked-target: column paid" in out
    watched = Finding("rate-too-high", "training loss", 3.0, 0.2, "it rises.", "Try less.", since=2, samples=(1,))
    (flats.parent / "run/findings.json").write_text(json.dumps([watched.record()]))
    out, _ = cli("doctor", "run")
    assert "findings  3, the most serious first" in out
    assert "rate-too-high: training loss, since epoch 2\n  it rises.\n  Try less.\n" in out
    flats.rename("elsewhere.csv")
    out, _ = cli("doctor", "run")
    assert out.splitlines()[1] == "findings  1"
    assert "not checked: the data: " in out
    _, refused = cli("doctor", "run", "--labels", code=2)
    assert "the labels cannot be searched: the data: " in refused


def test_a_run_that_has_not_ended_is_examined(flats):
    cli("train", flats, "--target", "warm", "--model", "mlp", "--epochs", 3, "--out", "run", "--quiet")
    shutil.copytree("run", "young")
    (flats.parent / "young/model.pellucid").unlink()
    rows = (flats.parent / "young/history.csv").read_text().splitlines()
    (flats.parent / "young/history.csv").write_text("\n".join(rows)[:-30])  # the last line is being written
    record = json.loads(cli("doctor", "young", "--json")[0])
    assert record["not_checked"] == ["the network: the run has no model.pellucid yet"]
    assert len(record["findings"]) == 2
    assert len(read_history(flats.parent / "young/history.csv")) == 2
    lines = [f"{i},{1 / i:.4f},{0.5 + abs(i - 4) / 8:.4f}" for i in range(1, 13)]
    (flats.parent / "young/history.csv").write_text("\n".join(["epoch,train_loss,validation_loss", *lines, "13,0.0"]))
    out, _ = cli("doctor", "young")
    assert "overfitting: validation loss, since epoch 5" in out, "the curves are examined without the network"
    assert len(read_history(flats.parent / "nothing.csv")) == 0


def test_damaged_files_of_a_run_are_refused(flats):
    cli("train", flats, "--target", "warm", "--epochs", 1, "--out", "run", "--quiet")
    (flats.parent / "run/findings.json").write_text('[{"kind": "dead-relu"}]')
    assert "does not contain findings" in cli("doctor", "run", code=2)[1]
    (flats.parent / "run/findings.json").unlink()
    (flats.parent / "run/history.csv").write_text("epoch,train_loss\n1,low\n2,lower\n")
    assert "is not the history of a run" in cli("doctor", "run", code=2)[1]


def test_labels_of_a_table(flats):
    rows = list(csv.reader(flats.open()))
    for row in (40, 80, 120, 160, 200, 240, 280):  # in the file, from 1; those without doubt are changed
        rows[row][0] = "40.0"
        rows[row][3] = "yes"
    for row in rows[1:]:
        row[3] = row[3] if row[0] == "40.0" else "yes" if float(row[0]) > 75 else "no"
        row[2] = "1"
    with flats.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    record = json.loads(cli("doctor", flats, "--target", "warm", "--ignore", "year", "--labels", "--epochs", 30, "--json")[0])
    out, _ = cli("doctor", flats, "--target", "warm", "--ignore", "year", "--labels", "--epochs", 30)
    assert out.count("labels    training network") == 5
    assert f"labels    {record['labels']['contradicted']} of 320 are contradicted" in out
    shown = [line.split() for line in out.splitlines() if line.startswith("  ") and line.endswith(" %")]
    assert {int(words[1]) for words in shown} & {40, 80, 120, 160, 200, 240, 280}
    assert {tuple(words[2:4]) for words in shown} <= {("yes", "no"), ("no", "yes")}
    assert record["labels"]["suspects"][0]["label"] in ("yes", "no")


def test_labels_of_images_and_their_gallery(mnist_folder, tmp_path):
    out, _ = cli("doctor", "mnist", "--labels", "--model", "mlp-small", "--epochs", 3, "--gallery", tmp_path / "suspects.png")
    assert out.splitlines()[-1] == f"gallery   {tmp_path / 'suspects.png'}"
    assert Image.open(tmp_path / "suspects.png").size[0] > 500
    cli("train", "mnist", "--model", "mlp-small", "--epochs", 1, "--out", "run", "--quiet")
    record = json.loads(cli("doctor", "run", "--labels", "--epochs", 1, "--json")[0])
    assert 0 <= record["labels"]["accuracy"] <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mnist", "--gallery", "x.png"), "--gallery is for the search for wrong labels: add --labels"),
        (("mnist", "--model", "mlp"), "--model is for the search for wrong labels: add --labels"),
        (("mnist", "--labels", "--model", "nlp"), "did you mean 'mlp'?"),
        (("nowhere",), "there is no data set 'nowhere'"),
        (("net.pellucid",), "does not name its data: give its run folder"),
        (("mnist-scenes", "--labels"), "where each sample has one class"),
    ],
)
def test_mistakes_of_users_are_one_line(mnist_folder, arguments, message):
    (mnist_folder.parent / "work/net.pellucid").write_bytes(b"")
    _, refused = cli("doctor", *arguments, code=2)
    assert message in refused
    assert refused.count("\n") == 1


def test_a_run_is_not_examined_on_other_data(mnist_folder):
    cli("train", "mnist", "--model", "mlp-small", "--epochs", 1, "--out", "run", "--quiet")
    assert "not checked" not in cli("doctor", "run")[0]
    file = mnist_folder.parent / "work/run/config.json"
    config = json.loads(file.read_text())
    config["data"]["sha256"] = "another"
    file.write_text(json.dumps(config))
    assert "is not what the run was trained on: --data-dir names its folder" in " ".join(cli("doctor", "run")[0].split())


def test_images_have_no_finding(mnist_folder):
    assert cli("doctor", "mnist")[0].splitlines()[1:] == ["findings  none"]


def test_every_kind_has_a_place_in_the_order():
    assert sorted(ORDER) == sorted({*KINDS, *DATA_KINDS})
    assert len(set(ORDER)) == len(ORDER)


def test_findings_of_several_examinations_are_put_together():
    def one(kind, where, text):
        return Finding(kind, where, 1.0, 0.5, text, "")

    first = Diagnosis([one("overfitting", "loss", "a"), one("dead-relu", "relu1", "b")], ["x"])
    second = Diagnosis([one("dead-relu", "relu1", "c"), one("outliers", "column 1", "d"), one("other", "", "e")], ["x", "y"])
    together = most_serious_first(first, second)
    assert [finding.text for finding in together] == ["d", "b", "a", "e"]
    assert together.left_out == ("x", "y")


def test_rows_of_a_file_are_those_of_the_file_where_rows_were_left_out(flats, tmp_path, monkeypatch):
    from pellucid.data import read_csv
    from pellucid.data.tables import csv_file
    from pellucid.data.tables.reading import read_rows

    monkeypatch.setattr(csv_file, "BLOCK_ROWS", 150)  # the table is read in three blocks

    train, _ = read_csv(flats, "warm").split(0.1)
    assert file_rows(train) == [row + 1 for row in train.rows]
    lines = flats.read_text(encoding="utf-8").splitlines()
    header, *cells = [line.split(",") for line in lines]
    for row in (0, 7, 8, 30):
        cells[row][header.index("warm")] = ""
    cells[12][header.index("area")] = ""
    gaps = tmp_path / "gaps.csv"
    gaps.write_text("\n".join(map(",".join, [header, *cells])), encoding="utf-8")
    for missing, left_out in (("value", {0, 7, 8, 30}), ("drop", {0, 7, 8, 12, 30})):
        whole = read_csv(gaps, "warm", missing=missing)
        train, test = whole.split(0.1)
        known = whole.input_stage()
        for part in (train, test, read_rows(gaps, known, whole.classes, labelled=True).take(test.rows)):
            found = file_rows(part)
            assert [cells[row - 1][header.index("warm")] for row in found] == [whole.classes[y] for y in part.y]
            areas = [float(cells[row - 1][header.index("area")] or "nan") for row in found]
            np.testing.assert_array_equal(part.x[:, 0], areas)
        assert {*file_rows(train), *file_rows(test)} == {row + 1 for row in range(len(cells)) if row not in left_out}
    assert file_rows(from_arrays(np.zeros((5, 1)), np.arange(5), names=["a"])) is None
    assert file_rows(Dataset(np.zeros((5, 1)), np.arange(5), rows=[1, 2])) is None
