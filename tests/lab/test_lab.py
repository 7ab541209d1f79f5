"""The lab: every experiment in its tiny form, every verdict on planted results, and how results are kept."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import pellucid.lab.experiment
from pellucid import ConfigError, DataError, FileError
from pellucid.cli import application
from pellucid.data.sources import registry as sources
from pellucid.lab import CHAPTERS, Results, Size, Trial, code_of, experiments, in_order, load, names, run, run_all
from pellucid.report import contents, svg, write_markdown, write_page

HERE = Path(__file__).parent
PLANTED = {
    name: cases
    for file in sorted(HERE.glob("planted_*.py"))
    for name, cases in importlib.import_module(f"tests.lab.{file.stem}").PLANTED.items()
}
SOME = "xor-needs-a-bend"


@pytest.fixture(autouse=True)
def digits_without_a_network(monkeypatch):
    """The 5,000 digits that need no network."""
    small = sources._mnist_5k(0, DataError("no network in tests"))
    monkeypatch.setattr(pellucid.lab.experiment, "whole_mnist", lambda data_dir: small)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder for the tiny results of all experiments."""
    return Results(tmp_path_factory.mktemp("lab"))


@pytest.mark.parametrize("name", names())
def test_every_experiment_measures_decides_and_draws(name, kept):
    one = load(name)
    results = run(name, kept, Size.TINY).in_order()
    assert one.verdict(results).says in ("holds", "does not hold", "depends")
    assert re.search(r"\d", one.verdict(results).because), "a verdict names the numbers it goes by"
    assert one.table(results).rows
    assert one.figure(results).axes
    for text in (one.question, one.claim, one.source, one.criterion, one.mathematics, one.alt):
        assert text.strip()
    assert one.question.endswith("?")
    assert one.codes


@pytest.mark.parametrize("name", names())
def test_every_verdict_can_fail(name):
    assert name in PLANTED, "plant results for which the claim does not hold, in one of the files planted_*.py"
    said = []
    for results, wanted in PLANTED[name]:
        said.append(load(name).verdict(results).says)
        assert said[-1] == wanted
    assert len(set(said)) > 1, "a verdict that is always the same decides nothing"


@pytest.mark.parametrize("file", sorted(Path(experiments.__path__[0]).glob("[a-z]*.py")), ids=lambda file: file.stem)
def test_an_experiment_is_short(file):
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 120


# The rows of the mission that experiments answer.
MISSION = (
    "R5 R7 R11 R12 R13 R14 R17 R19 D1 D2 D3 D4 D5 D6 D7 D8 D9 L1 L2 L3 L4 L5 L7 L8 I1 I2 I3 I4 I5 I6 I7 I8 I9 I10 I11 I12 I13"
)


def test_the_mission_is_answered():
    answered = {code for name in names() for code in load(name).codes}
    assert not set(MISSION.split()) - answered


def test_a_run_takes_up_where_it_stopped(tmp_path, monkeypatch):
    results, seen = Results(tmp_path), []
    one = load(SOME)

    def measure(trial: Trial):
        seen.append(trial.seed)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return one.measure(trial)

    monkeypatch.setattr("pellucid.lab.running.load", lambda name: dataclasses.replace(one, measure=measure))
    with pytest.raises(KeyboardInterrupt):
        run(SOME, results, Size.TINY, seeds=4)
    assert sorted(results.read(SOME, Size.TINY).results) == [0, 1]
    kept = run(SOME, results, Size.TINY, seeds=4)
    assert seen == [0, 1, 2, 2, 3]
    assert sorted(kept.results) == [0, 1, 2, 3]
    assert results.read(SOME, Size.TINY).in_order() == kept.in_order()
    run(SOME, results, Size.TINY, seeds=2, again=True)
    assert seen[5:] == [0, 1]


def test_results_of_other_code_are_measured_anew(tmp_path, monkeypatch):
    results, told = Results(tmp_path), []
    run(SOME, results, Size.TINY)
    monkeypatch.setattr("pellucid.lab.running.code_of", lambda name: "another")
    run(SOME, results, Size.TINY, tell=told.append)
    assert told[0].startswith(f"{SOME}: its code has changed")
    assert results.read(SOME, Size.TINY).code == "another"
    with pytest.raises(DataError, match="no results"):
        contents(results, Size.TINY)  # what this code would measure is not there


def test_texts_may_change_and_results_stay(tmp_path, monkeypatch):
    one = load(SOME)
    file = Path(experiments.__path__[0]) / f"{SOME.replace('-', '_')}.py"
    copy = tmp_path / file.name
    monkeypatch.setattr(experiments, "__path__", [str(tmp_path)])

    def code(of: str) -> str:
        copy.write_text(of, encoding="utf-8")
        return code_of(SOME)

    text = file.read_text(encoding="utf-8")
    other = text.replace(one.question, "Why?").replace("def verdict(", 'def verdict(unused="", *', 1)
    assert other != text
    assert code(other) == code(text)
    assert code(text.replace("def measure(trial: Trial)", "def measure(trial: Trial, more: int = 0)")) != code(text)


def test_several_seeds_at_once_give_the_same_numbers(tmp_path):
    told: list[str] = []
    other = "the-perceptron-ends-or-never-does"
    ready = list(run_all([SOME, other], Results(tmp_path / "two"), Size.TINY, seeds=2, jobs=2, tell=told.append))
    assert sorted(kept.name for kept in ready) == sorted([SOME, other])
    assert sorted(line.split(":")[0] for line in told) == sorted(f"{n}, seed {s}" for n in (SOME, other) for s in (0, 1))
    for kept in ready:
        assert kept.in_order() == run(kept.name, Results(tmp_path / "one"), Size.TINY, seeds=2).in_order()
    told.clear()
    assert [kept.name for kept in run_all([SOME], Results(tmp_path / "two"), Size.TINY, seeds=2, tell=told.append)] == [SOME]
    assert not told, "all is kept"


def test_one_that_compares_times_is_measured_alone(tmp_path, monkeypatch):
    one = load(SOME)
    monkeypatch.setattr("pellucid.lab.running.load", lambda name: dataclasses.replace(one, alone=name == SOME))
    beside: list[tuple[str, Trial, int]] = []

    def unordered(work, arguments, at_once):
        beside.extend(arguments)
        yield from ()

    monkeypatch.setattr("pellucid.runs.processes.unordered", unordered)
    other = "the-perceptron-ends-or-never-does"
    assert [kept.name for kept in run_all([other, SOME], Results(tmp_path), Size.TINY, seeds=2, jobs=2)] == [SOME]
    assert [(name, trial.seed) for name, trial, _ in beside] == [(other, 0), (other, 1)]


def test_leaving_several_seeds_ends_their_work(tmp_path):
    wanted = [name for name in names() if not load(name).alone][:6]
    with contextlib.closing(run_all(wanted, Results(tmp_path), Size.TINY, seeds=2, jobs=2)) as ready:
        first = next(ready)
    there = {path.name for path in tmp_path.iterdir()}
    assert f"{first.name}.tiny.json" in there
    assert run(first.name, Results(tmp_path), Size.TINY, seeds=2).results == first.results, "what was done is kept"
    assert {path.name for path in tmp_path.iterdir()} == there, "nothing went on"


def test_without_joblib_there_is_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.runs.processes.possible", lambda: False)
    assert [kept.name for kept in run_all([SOME, SOME], Results(tmp_path), Size.TINY, seeds=2)] == [SOME]
    with pytest.raises(ConfigError, match="joblib"):
        list(run_all([SOME], Results(tmp_path / "two"), Size.TINY, seeds=2, jobs=2))
    assert not (tmp_path / "two").exists()


def test_the_reading_order_names_experiments_of_its_chapters():
    for chapter, held in CHAPTERS.items():
        assert {load(name).chapter for name in held} == {chapter}
    assert [name for name, _ in in_order()] == [name for held in CHAPTERS.values() for name in held]


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no experiment 'xor-needs-a-band': did you mean 'xor-needs-a-bend'"):
        load("xor-needs-a-band")
    with pytest.raises(ConfigError, match=r"no experiment 'zzz': choose one of: .*\(\d+ more\); see pellucid lab list"):
        load("zzz")
    with pytest.raises(ConfigError, match="--jobs must be at least 1"):
        run(SOME, Results(tmp_path), Size.TINY, jobs=0)
    with pytest.raises(ConfigError, match="--seeds must be at least 1"):
        run(SOME, Results(tmp_path), Size.TINY, seeds=0)
    Results(tmp_path).path(SOME, Size.TINY).write_text('{"code": 3}')
    with pytest.raises(FileError, match="no file of results"):
        run(SOME, Results(tmp_path), Size.TINY)
    with pytest.raises(DataError, match="pellucid lab run --quick"):
        contents(Results(tmp_path / "empty"), Size.QUICK)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot make the folder"):
        run(SOME, Results(tmp_path / "file" / "below"), Size.TINY)


def test_the_commands_measure_and_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call = CliRunner().invoke
    assert SOME in call(application(), ["lab", "list"]).output
    assert SOME in [one["name"] for one in json.loads(call(application(), ["lab", "list", "--json"]).output)]
    first = call(application(), ["lab", "run", SOME, "--quick", "--seeds", "1"])
    assert first.exit_code == 0, first.output
    assert "verdict   holds" in first.output
    assert (tmp_path / "runs/lab" / f"{SOME}.quick.svg").read_text().count("<svg") == 1
    again = call(application(), ["lab", "run", SOME, "--quick", "--seeds", "1", "--json"])
    assert json.loads(again.output)[0]["verdict"] == "holds"
    assert "seed 0" not in again.output, "it is kept"
    made = call(application(), ["lab", "report", "--quick", "--out", "page.html"])
    assert made.exit_code == 0, made.output
    assert load(SOME).question in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert call(application(), ["lab", "report"]).exit_code == 2


def test_the_report_needs_nothing_beside_it(kept, tmp_path):
    for name in names():
        run(name, kept, Size.TINY)
    found = contents(kept, Size.TINY)
    assert {section.name for section in found.sections} == set(names())
    write_page(found, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for source in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert source.startswith(("#", "data:")), source
    assert page.count("<img") == page.count('alt="') == len(names())
    assert not re.search(r"<script|url\(|@import", page)
    assert "**" not in page
    assert "<b>From dense to convolutional.</b>" in page
    section = next(one for one in found.sections if one.name == SOME)
    assert svg(load(SOME).figure(section.kept.in_order()), SOME) == section.svg, "the same figure has the same bytes"
    written = write_markdown(found, tmp_path / "pages")
    for page in (path for path in written if path.suffix == ".md"):
        for target, anchor in re.findall(r"\]\(([^)#]+)(?:#([^)]+))?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists()
            assert not anchor or f'id="{anchor}"' in (page.parent / target).read_text(encoding="utf-8")
