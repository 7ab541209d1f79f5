"""Kills and faults: trainings that are interrupted at any moment and resumed end with the same bits."""

from __future__ import annotations

import pytest

from tests.campaigns.child import OPERATIONS
from tests.campaigns.damage import DAMAGES, damaged
from tests.campaigns.kills import KINDS, campaign
from tests.campaigns.trainings import TRAININGS


def test_a_training_that_is_killed_some_times_ends_with_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_KERNELS", "reference")  # processes start faster
    count = campaign(4, 3, tmp_path, names=["policies"], jobs=2, most=4)
    assert count.total >= 4


def test_damaged_checkpoints_are_noticed(tmp_path):
    count = damaged(40, 0, tmp_path, ["policies", "table"])
    assert count.total() == 40


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
