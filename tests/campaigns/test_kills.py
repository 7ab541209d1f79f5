"""Kills and faults: trainings that are interrupted at any moment and resumed end with the same bits."""

from __future__ import annotations

import signal
import threading

import pytest

pytest.importorskip("resource", reason="limits of processes are a part of Unix")
from tests.campaigns.child import OPERATIONS
from tests.campaigns.damage import DAMAGES, damaged
from tests.campaigns.kills import KINDS, Chain, Count, campaign, uninterrupted
from tests.campaigns.run_kills import KINDS as RUN_KINDS, RUNS, run_campaign, sweep_campaign
from tests.campaigns.trainings import TRAININGS


def test_a_training_that_is_killed_before_each_operation_on_a_file_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_KERNELS", "reference")  # processes start faster
    chain = Chain("policies", uninterrupted("policies"), tmp_path / "chain", 0, Count(), threading.Lock(), pause=0.0)
    chain.checkpoint, chain.interval = {"every_steps": 2, "every_epochs": None, "keep": 2, "cost": 1.0}, 2
    for operation in OPERATIONS:
        before = chain.steps()
        code = chain.process(chain.plan(fault="kill", operation=operation, at=2))  # the third checkpoint of each process
        assert code == -signal.SIGKILL, chain.log.read_text()
        chain.check_progress(before, complete=True)
        assert chain.steps() == before + (4 if OPERATIONS.index(operation) < OPERATIONS.index("sync folder") else 6)
        assert len(chain.parts()) == (operation in ("write", "sync file", "rename"))
    chain.finish()
    chain.compare()


def test_damaged_checkpoints_are_noticed(tmp_path):
    count = damaged(30, 0, tmp_path, ["policies"])
    assert count.total() == 30


@pytest.mark.long
def test_two_hundred_kills_and_faults(tmp_path):
    count = campaign(200, 0, tmp_path)
    print(count.table())
    assert count.total >= 200
    assert set(count.interruptions) == set(KINDS)
    assert set(count.operations) == set(OPERATIONS)
    assert set(count.chains) == set(TRAININGS)


@pytest.mark.long
def test_a_thousand_damaged_checkpoints(tmp_path):
    count = damaged(1000, 0, tmp_path)
    assert count.total() == 1000
    assert len(count) == len(DAMAGES) + 1


@pytest.mark.long
def test_runs_of_the_command_are_killed(tmp_path):
    count = run_campaign(100, 0, tmp_path)
    print(count.table())
    assert set(count.interruptions) == set(RUN_KINDS)
    assert set(count.runs) == set(RUNS)


@pytest.mark.long
def test_sweeps_are_killed(tmp_path):
    print(sweep_campaign(10, 0, tmp_path).table())
