"""Checkpoints under faults: killed writers, folders and disks that fail, clocks that go back, files with other names."""

from __future__ import annotations

import errno
import functools
import itertools
import os
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pellucid import (
    Adam,
    Add,
    Checkpoint,
    CheckpointError,
    ConfigError,
    Control,
    CrossEntropy,
    Dense,
    EpochEvent,
    FileError,
    FitOptions,
    Flatten,
    Graph,
    Node,
    Sequential,
    Softmax,
    StepEvent,
)
from pellucid.core.files import canonical_json
from pellucid.errors import LockedError
from pellucid.training import Policy
from pellucid.training.checkpoint import CheckpointWriter, Progress, TrainingRecord, checkpoint_files, recorded_options, rows_of
from pellucid.training.events import History
from pellucid.training.loop import Place
from pellucid.training.resuming import newest
from tests.training.test_checkpoints import ALWAYS, X, Y, compiled, damage, final, fit, steps_of


def events(folder, model=None, resume=None, epochs=3, control=None, **settings):
    """Return the events of a training with a checkpoint after each update."""
    policy = Checkpoint(folder, **{**ALWAYS, "keep": 2, **settings})
    options = FitOptions(epochs=epochs, batch_size=10, policies=[policy], resume=resume)
    return (model or compiled()).fit_events(X, Y, options, control=control)


def interrupted(folder, steps, **settings):
    """Train, and end as if killed after some updates."""
    model = compiled()
    running = events(folder, model, **settings)
    for event in running:
        if isinstance(event, StepEvent) and event.step == steps + 1:
            break
    running.close()


def expected():
    model = compiled()
    model.fit(X, Y, epochs=3, batch_size=10)
    return final(model)


# -- what killed processes leave ----------------------------------------------------------------------------------------------


def test_half_written_files_of_killed_processes_are_removed(tmp_path):
    interrupted(tmp_path, 4)
    part = tmp_path / ".checkpoint-000000005.pellucid.0123abcd.part"
    others = [tmp_path / ".model.pellucid.0123abcd.part", tmp_path / "checkpoint-5.part"]
    for path in (part, *others):
        path.write_bytes(b"half")
    fit(tmp_path, resume=tmp_path)
    assert not part.exists()
    assert all(path.exists() for path in others)


def test_the_checkpoint_just_written_is_never_pruned(tmp_path):
    running = events(tmp_path, keep=1)
    for event in running:
        if isinstance(event, StepEvent) and event.step == 3:
            (tmp_path / "checkpoint-000000099.pellucid").write_bytes(b"of something else")
    assert steps_of(tmp_path) == [99, 15]


def test_after_a_kill_between_rename_and_delete_the_old_files_go(tmp_path):
    interrupted(tmp_path, 6, keep=5)
    assert steps_of(tmp_path) == [6, 5, 4, 3, 2]
    fit(tmp_path, resume=tmp_path)
    assert steps_of(tmp_path) == [15, 10]


HOLDING = """
import sys, time
from pellucid.core.locks import exclusive_lock
with exclusive_lock(sys.argv[1], "", ""):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_processes_do_not_write_into_the_same_folder(tmp_path):
    interrupted(tmp_path, 6)
    command = [sys.executable, "-c", HOLDING, str(tmp_path / ".lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        part = tmp_path / ".checkpoint-000000007.pellucid.0123abcd.part"
        part.write_bytes(b"of the other process")
        with pytest.raises(LockedError, match=rf"another training writes its checkpoints here \(process {other.pid} on .*wait"):
            fit(tmp_path, resume=tmp_path)
        assert part.exists()
        other.kill()
    assert final(fit(tmp_path, resume=tmp_path)) == expected()
    assert not (tmp_path / ".lock").exists()


def test_a_forgotten_training_of_this_process_is_no_obstacle(tmp_path):
    forgotten = events(tmp_path)
    for event in forgotten:
        if isinstance(event, StepEvent) and event.step == 4:
            break
    assert final(fit(tmp_path, resume=tmp_path)) == expected()
    forgotten.close()


# -- folders ------------------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_read_is_not_a_new_training(tmp_path, monkeypatch):
    interrupted(tmp_path / "c", 6)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="the folder of checkpoints cannot be read: Not a directory"):
        compiled().fit(X, Y, resume=tmp_path / "file")

    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(FileError, match="the folder of checkpoints cannot be read: Permission denied"):
        fit(tmp_path / "c", resume=tmp_path / "c")


def test_a_folder_that_cannot_be_written_is_an_error_at_the_start(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    model = compiled()
    before = model.parameters.copy()
    with pytest.raises(FileError, match=r"link: the folder cannot be created: File exists"):
        fit(tmp_path / "link", model)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileError, match="checkpoints cannot be written into this folder: it is read-only"):
        fit(tmp_path / "c", model)
    assert np.array_equal(model.parameters, before)


def test_another_working_folder_makes_no_difference(tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "first")
    for event in events("c"):
        if isinstance(event, EpochEvent):
            os.chdir(tmp_path / "second")
    assert steps_of(tmp_path / "first" / "c") == [15, 14]
    assert not (tmp_path / "second" / "c").exists()


def test_a_folder_may_be_removed_during_the_training(tmp_path):
    for event in events(tmp_path / "c"):
        if isinstance(event, StepEvent) and event.step == 7:
            shutil.rmtree(tmp_path / "c")
    assert steps_of(tmp_path / "c") == [15, 14]


def test_a_link_is_the_folder_that_it_leads_to(tmp_path):
    interrupted(tmp_path / "c", 6)
    (tmp_path / "link").symlink_to(tmp_path / "c")
    newest_file = checkpoint_files(tmp_path / "c")[0]
    damage(newest_file, "truncated")
    assert final(fit(tmp_path / "c", resume=tmp_path / "link")) == expected()
    assert steps_of(tmp_path / "c") == [15, 10]


def test_the_folder_above_is_not_a_new_training(tmp_path):
    interrupted(tmp_path / "run" / "checkpoints", 6)
    with pytest.raises(FileError, match=r"run holds no checkpoints, but .*run/checkpoints does: resume from that folder"):
        compiled().fit(X, Y, resume=tmp_path / "run")


# -- files --------------------------------------------------------------------------------------------------------------------


def test_a_checkpoint_with_the_name_of_a_later_one_is_noticed(tmp_path):
    interrupted(tmp_path, 6)
    later, earlier = checkpoint_files(tmp_path)
    shutil.copy(earlier, later)
    saved = newest(tmp_path)
    assert saved.path == earlier
    assert "000000006.pellucid holds another checkpoint, that after 5 steps; checkpoint-000000005" in saved.problems[0]
    assert final(fit(tmp_path, resume=tmp_path)) == expected()


def test_a_file_that_is_not_damaged_is_not_deleted(tmp_path):
    interrupted(tmp_path, 6)
    model_file = tmp_path / "checkpoint-000000009.pellucid"
    compiled().save(model_file)
    with pytest.raises(CheckpointError, match="a model file without the state of a training"):
        fit(tmp_path, resume=tmp_path)
    assert model_file.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with a name are a part of Unix")
def test_a_pipe_is_no_checkpoint(tmp_path):
    interrupted(tmp_path, 6)
    os.mkfifo(tmp_path / "checkpoint-000000099.pellucid")  # opening it would wait forever
    (tmp_path / "checkpoint-000000098.pellucid").mkdir()
    assert final(fit(tmp_path, resume=tmp_path)) == expected()


# -- disks, memory, clocks -----------------------------------------------------------------------------------------------


def test_a_name_that_is_not_on_disk_is_a_problem_and_nothing_older_is_deleted(tmp_path, monkeypatch):
    from pellucid.core import files

    fsync = os.fsync

    def fail(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EIO, "Input/output error")
        fsync(descriptor)

    interrupted(tmp_path, 6)
    monkeypatch.setattr(files.os, "fsync", fail)
    model = fit(tmp_path, resume=tmp_path)
    assert final(model) == expected()
    assert steps_of(tmp_path) == [15, 10, 6, 5]
    assert "after 15 steps could not be written" in model.history.problems[0]
    assert "Input/output error" in model.history.problems[0]


def test_too_little_memory_for_a_checkpoint_does_not_end_the_training(tmp_path, monkeypatch):
    def no_memory(settings, arrays):
        raise MemoryError

    monkeypatch.setattr("pellucid.training.checkpoint.tensor_chunks", no_memory)
    model = fit(tmp_path)
    assert final(model) == expected()
    (problem,) = model.history.problems
    assert problem.endswith("after 15 steps could not be written: there is not enough memory; there is none before it")


@pytest.mark.parametrize("settings", [{"every_seconds": 4.0, "every_epochs": None}, {"every_seconds": None, "cost": 0.5}])
def test_a_clock_that_goes_back_delays_no_checkpoint(tmp_path, monkeypatch, settings):
    ticks = (1e6 + i if i < 8 else float(i) for i in itertools.count())
    monkeypatch.setattr("pellucid.training.checkpoint.time.perf_counter", lambda: next(ticks))
    policy = Checkpoint(tmp_path, keep=100, **settings)
    compiled().fit(X, Y, epochs=8, batch_size=10, policies=[policy])
    assert len(steps_of(tmp_path)) >= 3


# -- settings, data and histories of many kinds --------------------------------------------------------------------------


def resumed(folder, x, y, x2=None, y2=None, model=compiled, **settings):
    """Return the final states of an uninterrupted training and of one that was stopped and resumed with other data."""
    data = {name: settings.pop(name) for name in ("validation", "sample_weight") if name in settings}
    policy = Checkpoint(folder, every_epochs=None)
    options = FitOptions(epochs=3, batch_size=10, policies=[policy], **settings)
    whole, first, second, control = model(), model(), model(), Control()
    whole.fit(x, y, epochs=3, batch_size=10, **data, **settings)
    for _ in first.fit_events(x, y, options, control=control, **data):
        control.stop = first.state.steps == 7
    second.fit(
        x if x2 is None else x2,
        y if y2 is None else y2,
        epochs=3,
        batch_size=10,
        policies=[policy],
        resume=folder,
        **data,
        **settings,
    )
    return final(whole), final(second)


MIXED = {0: 1.0, "1": 2.0, np.int64(2): np.float32(0.5)}


@pytest.mark.parametrize("weights", [{0: 1.0, 1: 2.0, 2: 0.5}, MIXED, np.array([1.0, 2.0, 0.5]), [1, 2, 0.5]], ids=repr)
def test_class_weights_of_any_form_are_compared(tmp_path, weights):
    def model():
        return compiled().network.compile((12,), CrossEntropy(), Adam(0.01), seed=5, classes=["0", "1", "2"])

    whole, second = resumed(tmp_path, X, Y, class_weight=weights, model=model)
    assert whole == second
    with pytest.raises(ConfigError, match=r"fit\(class_weight=…\) was"):
        model().fit(X, Y, epochs=3, batch_size=10, resume=tmp_path, class_weight=[1, 2, 0.25])
    changed = np.array([1.0, 2.0, 0.25])
    with pytest.raises(ConfigError, match=r"fit\(class_weight=…\) was"):
        model().fit(X, Y, epochs=3, batch_size=10, resume=tmp_path, class_weight=changed)


def test_every_option_has_a_form_in_a_file():
    class Shift:
        def __call__(self, x, random):
            return x + 1

    for function in (lambda x, random: x, functools.partial(lambda x, random, k: x, k=1), Shift()):
        options = recorded_options(FitOptions(augmentation=function, class_weight=MIXED, resume="c"))
        assert "resume" not in options
        canonical_json(options)


@pytest.mark.parametrize("layout", ["memory map", "Fortran", "strided", "list"])
def test_data_may_have_another_layout_when_the_training_resumes(tmp_path, layout):
    wide = np.zeros((92, 24), np.float32)
    wide[::2, ::2] = X
    np.save(tmp_path / "x.npy", X)
    arrays = {
        "memory map": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "Fortran": np.asfortranarray(X),
        "strided": wide[::2, ::2],
        "list": X,
    }
    whole, second = resumed(
        tmp_path / "c", X, Y, arrays[layout], list(map(int, Y)), validation=(X, Y, np.linspace(0, 1, 46)), sample_weight=Y + 1
    )
    assert whole == second


def test_several_inputs_may_have_another_order_when_the_training_resumes(tmp_path):
    nodes = Node("a", Dense(4), "left"), Node("b", Dense(4), "right"), Node("sum", Add(), "a", "b")
    network = Graph(*nodes, Node("c", Sequential(Dense(3), Softmax()), "sum"), inputs=("left", "right"))

    def model():
        return network.compile({"left": (12,), "right": (5,)}, CrossEntropy(), Adam(0.01), seed=5)

    x, other = {"left": X, "right": X[:, :5]}, {"right": X[:, :5], "left": X}
    whole, second = resumed(tmp_path, x, Y, other, model=model)
    assert whole == second


@dataclass(frozen=True)
class _Remembering(Policy):
    """A policy that remembers the parameters of the last epoch."""

    copied: bool

    def wrap(self, events, state, history, memory):
        for event in events:
            yield event
            memory["last"] = [state.parameters.copy() if self.copied else state.parameters]


def test_a_memory_that_would_no_longer_change_with_the_model_is_refused(tmp_path):
    for copied in (True, False):
        policies = [_Remembering(copied), Checkpoint(tmp_path / str(copied), every_steps=1)]
        with nullcontext() if copied else pytest.raises(ConfigError, match=r"store a copy, as in memory"):
            compiled().fit(X, Y, batch_size=10, policies=policies)


def test_a_model_that_no_file_can_hold_is_an_error_at_the_start(tmp_path):
    def loss(outputs, targets, k):
        return ((outputs - targets) ** 2).sum(axis=1), 2 * (outputs - targets)

    model = Sequential(Flatten(), Dense(3)).compile((12,), functools.partial(loss, k=1), Adam(0.01))
    with pytest.raises(ConfigError, match="has no name by which it can be found again"):
        model.fit_events(X, np.eye(3, dtype=np.float32)[Y], FitOptions(policies=[Checkpoint(tmp_path)]))


def test_a_long_history_is_short_in_a_file(tmp_path):
    rows = [{"epoch": i, "seconds": 0.1 * i, "train_loss": float("nan")} for i in range(20_000)]
    rows[7]["train_recall_0"] = 1 / 3
    rows[9]["train_loss"] = float("inf")
    model = compiled()
    progress = Progress(model.state, Place(), History(rows), [], Control())
    record = TrainingRecord(model._file_settings, {}, {})
    with CheckpointWriter([Checkpoint(tmp_path)], record, progress, 1, time.perf_counter()) as write:
        write(EpochEvent(1, 0.0, 0.0, {}, None), True)
    saved = newest(tmp_path)
    assert repr(saved.history.rows) == repr(rows)
    assert int.from_bytes(checkpoint_files(tmp_path)[0].read_bytes()[:8], "little") < 20_000
    assert rows_of(saved.values["history"]["rows"] | {"values": np.zeros((0, 4)), "present": None}) == []
