"""The report, as one HTML page and as Markdown, and the lab's commands."""

from __future__ import annotations

import json
import re

from typer.testing import CliRunner

from pellucid.cli import application
from pellucid.lab import Size, load, names, run
from pellucid.report import contents, svg, write_markdown, write_page

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


def test_the_report_is_self_contained(tiny_results, tmp_path):
    for name in names():
        run(name, tiny_results, Size.TINY)
    found = contents(tiny_results, Size.TINY)
    assert {section.name for section in found.sections} == set(names())
    write_page(found, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for source in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert source.startswith(("#", "data:")), source
    assert page.count("<img") == page.count('alt="') == len(names())
    assert not re.search(r"<script|url\(|@import", page)
    assert "**" not in page
    assert "<b>From dense to convolutional.</b>" in page
    section = next(one for one in found.sections if one.name == NAME)
    assert svg(load(NAME).figure(section.stored.by_seed()), NAME) == section.svg, "the same figure has the same bytes"
    written = write_markdown(found, tmp_path / "pages")
    for page in (path for path in written if path.suffix == ".md"):
        for target, anchor in re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists()
            assert not anchor or f'id="{anchor}"' in (page.parent / target).read_text(encoding="utf-8")
