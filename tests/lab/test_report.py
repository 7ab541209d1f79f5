"""The lab's commands. The report on all experiments is tested where they are measured, in test_experiments.py."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from pellucid.cli import application
from pellucid.lab import load

NAME = "xor"


def test_the_commands_measure_and_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = CliRunner().invoke
    assert NAME in call(application(), ["lab", "list"]).output
    assert NAME in [one["name"] for one in json.loads(call(application(), ["lab", "list", "--json"]).output)]
    first = call(application(), ["lab", "run", NAME, "--quick", "--seeds", "1"])
    assert first.exit_code == 0, first.output
    assert "verdict   holds" in first.output
    assert (tmp_path / "runs/lab" / f"{NAME}.quick.svg").read_text().count("<svg") == 1
    second = call(application(), ["lab", "run", NAME, "--quick", "--seeds", "1", "--json"])
    assert json.loads(second.output)[0]["verdict"] == "holds"
    assert "seed 0" not in second.output, "its results are stored"
    report = call(application(), ["lab", "report", "--quick", "--out", "page.html"])
    assert report.exit_code == 0, report.output
    assert load(NAME).question in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert call(application(), ["lab", "report"]).exit_code == 2
