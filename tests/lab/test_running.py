"""Running experiments and storing their results."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import pytest

from pellucid import ConfigError, DataError, FileError
from pellucid.lab import Results, Size, Trial, experiments, fingerprint, load, names, run, run_all
from pellucid.report import contents

NAME, OTHER = "xor", "perceptron"


def test_a_stopped_run_is_resumed(tmp_path, monkeypatch):
    results, measured = Results(tmp_path), []
    experiment = load(NAME)

    def measure(trial: Trial):
        measured.append(trial.seed)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return experiment.measure(trial)

    monkeypatch.setattr("pellucid.lab.running.load", lambda name: dataclasses.replace(experiment, measure=measure))
    with pytest.raises(KeyboardInterrupt):
        run(NAME, results, Size.TINY, seeds=4)
    assert sorted(results.read(NAME, Size.TINY).results) == [0, 1]
    stored = run(NAME, results, Size.TINY, seeds=4)
    assert measured == [0, 1, 2, 2, 3]
    assert sorted(stored.results) == [0, 1, 2, 3]
    assert results.read(NAME, Size.TINY).by_seed() == stored.by_seed()
    run(NAME, results, Size.TINY, seeds=2, remeasure=True)
    assert measured[5:] == [0, 1]


def test_results_of_other_code_are_measured_again(tmp_path, monkeypatch):
    results, messages = Results(tmp_path), []
    run(NAME, results, Size.TINY)
    monkeypatch.setattr("pellucid.lab.running.fingerprint", lambda name: "another")
    run(NAME, results, Size.TINY, notify=messages.append)
    assert messages[0].startswith(f"{NAME}: its code has changed")
    assert results.read(NAME, Size.TINY).code == "another"
    with pytest.raises(DataError, match="no results"):
        contents(results, Size.TINY)  # there are no results of the current code


def test_the_fingerprint_ignores_texts_and_presentation(tmp_path, monkeypatch):
    experiment = load(NAME)
    file = Path(experiments.__path__[0]) / f"{NAME.replace('-', '_')}.py"
    copy = tmp_path / file.name
    monkeypatch.setattr(experiments, "__path__", [str(tmp_path)])

    def code(source: str) -> str:
        copy.write_text(source, encoding="utf-8")
        return fingerprint(NAME)

    text = file.read_text(encoding="utf-8")
    other = text.replace(experiment.question, "Why?").replace("def verdict(", 'def verdict(unused="", *', 1)
    assert other != text
    assert code(other) == code(text)
    assert code(text.replace("def measure(trial: Trial)", "def measure(trial: Trial, more: int = 0)")) != code(text)


def test_seeds_that_run_at_once_give_the_same_values(tmp_path):
    messages: list[str] = []
    finished = list(run_all([NAME, OTHER], Results(tmp_path / "two"), Size.TINY, seeds=2, jobs=2, notify=messages.append))
    assert sorted(stored.name for stored in finished) == sorted([NAME, OTHER])
    assert sorted(line.split(":")[0] for line in messages) == sorted(f"{n}, seed {s}" for n in (NAME, OTHER) for s in (0, 1))
    for stored in finished:
        assert stored.by_seed() == run(stored.name, Results(tmp_path / "one"), Size.TINY, seeds=2).by_seed()
    messages.clear()
    repeated = run_all([NAME], Results(tmp_path / "two"), Size.TINY, seeds=2, notify=messages.append)
    assert [stored.name for stored in repeated] == [NAME]
    assert not messages, "nothing is measured again"


def test_an_experiment_that_measures_times_runs_alone(tmp_path, monkeypatch):
    experiment = load(NAME)
    monkeypatch.setattr("pellucid.lab.running.load", lambda name: dataclasses.replace(experiment, alone=name == NAME))
    parallel: list[tuple[str, Trial, int]] = []

    def map_unordered(function, arguments, jobs):
        parallel.extend(arguments)
        yield from ()

    monkeypatch.setattr("pellucid.runs.processes.map_unordered", map_unordered)
    assert [stored.name for stored in run_all([OTHER, NAME], Results(tmp_path), Size.TINY, seeds=2, jobs=2)] == [NAME]
    assert [(name, trial.seed) for name, trial, _ in parallel] == [(OTHER, 0), (OTHER, 1)]


def test_closing_the_generator_stops_the_work(tmp_path):
    wanted = [name for name in names() if not load(name).alone][:6]
    with contextlib.closing(run_all(wanted, Results(tmp_path), Size.TINY, seeds=2, jobs=2)) as stored_results:
        first = next(stored_results)
    files = {path.name for path in tmp_path.iterdir()}
    assert f"{first.name}.tiny.json" in files
    assert run(first.name, Results(tmp_path), Size.TINY, seeds=2).results == first.results, "finished seeds are stored"
    assert {path.name for path in tmp_path.iterdir()} == files, "nothing continued"


def test_without_joblib_everything_runs_in_one_process(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.runs.processes.available", lambda: False)
    assert [stored.name for stored in run_all([NAME, NAME], Results(tmp_path), Size.TINY, seeds=2)] == [NAME]
    with pytest.raises(ConfigError, match="joblib"):
        list(run_all([NAME], Results(tmp_path / "two"), Size.TINY, seeds=2, jobs=2))
    assert not (tmp_path / "two").exists()


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no experiment 'perceptrn': did you mean 'perceptron'"):
        load("perceptrn")
    with pytest.raises(ConfigError, match=r"no experiment 'zzz': choose one of: .*\(\d+ more\); see pellucid lab list"):
        load("zzz")
    with pytest.raises(ConfigError, match="--jobs must be at least 1"):
        run(NAME, Results(tmp_path), Size.TINY, jobs=0)
    with pytest.raises(ConfigError, match="--seeds must be at least 1"):
        run(NAME, Results(tmp_path), Size.TINY, seeds=0)
    with pytest.raises(ConfigError, match="--seeds must be at most 10,000"):
        run(NAME, Results(tmp_path), Size.TINY, seeds=2**63)
    Results(tmp_path).path(NAME, Size.TINY).write_text('{"code": 3}')
    with pytest.raises(FileError, match="does not contain results"):
        run(NAME, Results(tmp_path), Size.TINY)
    with pytest.raises(DataError, match="pellucid lab run --quick"):
        contents(Results(tmp_path / "empty"), Size.QUICK)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot create the folder"):
        run(NAME, Results(tmp_path / "file" / "below"), Size.TINY)
