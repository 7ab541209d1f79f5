"""Fuzzing: a few thousand inputs, the campaign (``make test-long``), and what the harness itself must notice."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

pytest.importorskip("resource", reason="limits of processes are a part of Unix")
from pellucid import ConfigError
from tests.fuzz import campaign, running
from tests.fuzz.campaign import all_targets, blocks_of, counts, describe, opened
from tests.fuzz.mutation import mutated_bytes, mutated_json, mutated_text
from tests.fuzz.running import check, time_limited
from tests.fuzz.target import Target

INPUTS = {  # of each target in the fast tests, with the memory of every fourth measured
    "model-files": 60,
    "checkpoints": 75,
    "networks": 200,
    "run-folders": 50,
    "idx": 1000,
    "tables": 500,
    "series": 500,
    "pictures": 300,
    "setting-texts": 1000,
    "drawings": 200,
    "command-lines": 12,
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.filterwarnings("ignore")
def test_no_input_breaks_the_library(name):
    with opened(name) as target, time_limited():
        for number in range(INPUTS[name]):
            failure = check(target, target.input(0, number), measure=number % 4 == 0)
            assert failure is None, describe(failure, 0, number)


def test_every_target_is_tried():
    assert set(INPUTS) == set(all_targets())
    assert sum(target.share for target in all_targets().values()) == pytest.approx(1)


@pytest.mark.long
def test_the_campaign(tmp_path):
    command = [sys.executable, "-m", "tests.fuzz.campaign", "--inputs", "1000000", "--seed", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr[-2000:]


# -- the harness --------------------------------------------------------------------------------------------------------


class Example(Target):
    """A target with one way of reading."""

    name, share, allowance = "example", 0.0, 10_000

    def make(self, random: Random) -> bytes:
        return random.randbytes(10)

    def read(self, data: bytes) -> None:
        self.reader(data)


def work_without_end(data: bytes) -> None:
    start = time.process_time()
    while time.process_time() - start < 60:
        pass


def refuse(data: bytes) -> None:
    raise ConfigError("no" if data else "")


@pytest.mark.parametrize(
    ("reader", "data", "kind"),
    [
        (lambda data: None, b"", None),
        (refuse, b"x", None),
        (refuse, b"", "an error without a message at test_fuzzing.py"),
        (lambda data: data[5], b"", "IndexError at test_fuzzing.py"),
        (lambda data: sys.exit(1), b"", "SystemExit at test_fuzzing.py"),
        (lambda data: np.zeros(9_000, np.uint8), b"", None),  # the allowance
        (lambda data: np.zeros((10, len(data)), np.uint8), bytes(10_000), None),
        (lambda data: np.zeros((13, len(data)), np.uint8), bytes(10_000), "too much memory"),
        (work_without_end, b"", "TooSlow at test_fuzzing.py"),
    ],
)
def test_the_check_of_one_input(tmp_path, monkeypatch, reader: Callable[[bytes], object], data, kind):
    monkeypatch.setattr(running, "TIME_LIMIT", 0.2)
    target = Example(tmp_path)
    target.reader = reader
    with time_limited():
        failure = check(target, data)
    if kind is None:
        assert failure is None
    else:
        assert failure.kind.startswith(kind)
        assert failure.data == data
        assert "--targets example --seed 3 --first 4 --inputs 1" in describe(failure, 3, 4)


def test_inputs_depend_on_the_seed_and_the_number_alone(tmp_path):
    for name in ("idx", "setting-texts", "pictures"):
        with opened(name) as one, opened(name) as other:
            inputs = [one.input(5, number) for number in range(6)]
            assert inputs == [other.input(5, number) for number in range(6)]
            assert len(set(inputs)) > 3
            assert inputs != [one.input(6, number) for number in range(6)]


def test_mutations_are_changes_of_what_is_given():
    random, data, text, value = Random(0), bytes(range(100)), "rotation=10,shift=2", {"a": [1, {"b": "x"}], "c": None}
    changed = [mutated_bytes(random, data, [data]) for _ in range(200)]
    assert sum(one != data for one in changed) > 150
    assert sum(len(one) < len(data) for one in changed) > 20
    assert sum(mutated_text(random, text) != text for _ in range(100)) > 80
    assert sum(mutated_json(random, value) != value for _ in range(100)) > 80
    assert value == {"a": [1, {"b": "x"}], "c": None}


def test_the_blocks_of_a_campaign_have_each_input_once():
    wanted = counts(10_001, list(all_targets()))
    assert sum(wanted.values()) == 10_001
    blocks = blocks_of(wanted, 7)
    for name, n in wanted.items():
        assert sorted(number for one, numbers in blocks if one == name for number in numbers) == list(range(7, 7 + n))
    assert len({name for name, _ in blocks[-20:]}) == len(wanted), "the first blocks, at the end, are of all targets"


def test_a_campaign_and_an_input_that_is_given_as_a_file(tmp_path, monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["campaign", *map(str, arguments), "--out", str(tmp_path / "out")])
        return campaign.main()

    assert not run("--inputs", 400, "--targets", "setting-texts,idx", "--jobs", 1, "--seed", 9)
    assert '"inputs": 400' in (tmp_path / "out" / "progress.json").read_text()
    assert not run("--table", tmp_path / "out", tmp_path / "out")
    assert "| together | 800 |" in capsys.readouterr().out
    (tmp_path / "idx.some-failure.9-1.input").write_bytes(b"\0\0\x08\x01")
    assert not run("--replay", tmp_path / "idx.some-failure.9-1.input")
    assert "is read as it should be" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        run("--targets", "x")
    assert "there is no target 'x'" in capsys.readouterr().err
