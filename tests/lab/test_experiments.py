"""All experiments: each runs in its tiny form, each verdict is tested on made-up results, and the report has all of them, as
one HTML page and as Markdown."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from pellucid.lab import CHAPTERS, Size, load, load_all, names, run
from pellucid.report import contents, svg, write_markdown, write_page

CASES = {
    name: cases
    for file in sorted((Path(__file__).parent / "verdict_cases").glob("*.py"))
    for name, cases in importlib.import_module(f"tests.lab.verdict_cases.{file.stem}").CASES.items()
}


@pytest.mark.parametrize("name", names())
def test_every_experiment_measures_decides_and_draws(name, tiny_results):
    experiment = load(name)
    results = run(name, tiny_results, Size.TINY).by_seed()
    assert experiment.verdict(results).outcome in ("holds", "does not hold", "depends")
    assert re.search(r"\d", experiment.verdict(results).reason), "the reason contains the decisive numbers"
    assert experiment.table(results).rows
    assert experiment.figure(results).axes
    for text in (
        experiment.question,
        experiment.claim,
        experiment.source,
        experiment.criterion,
        experiment.mathematics,
        experiment.alt,
    ):
        assert text.strip()
    assert experiment.question.endswith("?")
    assert experiment.codes


@pytest.mark.parametrize("name", names())
def test_every_verdict_can_fail(name):
    assert name in CASES, "add results for which the claim does not hold to a file in tests/lab/verdict_cases"
    outcomes = []
    for results, expected in CASES[name]:
        outcomes.append(load(name).verdict(results).outcome)
        assert outcomes[-1] == expected
    assert len(set(outcomes)) > 1, "a verdict that is always the same decides nothing"


# The project's requirements that experiments cover.
REQUIREMENTS = (
    "R5 R7 R11 R12 R13 R14 R17 R19 D1 D2 D3 D4 D5 D6 D7 D8 D9 L1 L2 L3 L4 L5 L7 L8 I1 I2 I3 I4 I5 I6 I7 I8 I9 I10 I11 I12 I13"
)


def test_every_requirement_is_covered():
    covered = {code for name in names() for code in load(name).codes}
    assert not set(REQUIREMENTS.split()) - covered


def test_the_chapters_list_all_experiments_in_order():
    for chapter, members in CHAPTERS.items():
        assert {load(name).chapter for name in members} == {chapter}
    assert [name for name, _ in load_all()] == [name for members in CHAPTERS.values() for name in members]


@pytest.mark.long
def test_the_report_is_self_contained(tiny_results, tmp_path):
    for name in names():
        run(name, tiny_results, Size.TINY)  # measures what the tests above have not: with them, nothing
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
    section = next(one for one in found.sections if one.name == "xor")
    assert svg(load("xor").figure(section.stored.by_seed()), "xor") == section.svg, "the same figure has the same bytes"
    written = write_markdown(found, tmp_path / "pages")
    for page in (path for path in written if path.suffix == ".md"):
        for target, anchor in re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists()
            assert not anchor or f'id="{anchor}"' in (page.parent / target).read_text(encoding="utf-8")
