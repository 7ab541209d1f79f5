"""Locks between processes: who holds one is named, a dead process holds none, and the file is removed without a gap."""

from __future__ import annotations

import errno
import os
import platform
import subprocess
import sys
import threading

import pytest

from pellucid import FileError, LockedError
from pellucid.core import locks
from pellucid.core.locks import Holder, exclusive_lock, holder, is_locked

HOLD = """
import sys
from pellucid.core.locks import exclusive_lock
with exclusive_lock(sys.argv[1], "busy", "wait"):
    print(flush=True)
    sys.stdin.read()
"""


def hold(path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def test_the_second_process_learns_who_holds_the_lock(tmp_path):
    path = tmp_path / "lock"
    with hold(path) as process:
        assert holder(path) == Holder(process.pid, platform.node())
        for _ in range(2):  # the refused process has not removed the file
            with pytest.raises(LockedError) as refused, exclusive_lock(path, "runs/mlp is in use", "wait until it ends"):
                pass
            expected = f"runs/mlp is in use (process {process.pid} on {platform.node()}): wait until it ends"
            assert str(refused.value) == expected
        process.stdin.close()
        process.wait()
    assert not path.exists(), "the holder removes the file at the end"
    assert not is_locked(path)


def test_a_process_that_was_killed_holds_no_lock(tmp_path):
    path = tmp_path / "lock"
    with hold(path) as process:
        process.kill()
        process.wait()
    assert path.exists()
    assert holder(path) is None
    with exclusive_lock(path, "busy", "wait"):
        assert path.read_text() == f"{os.getpid()} {platform.node()}\n"
        assert holder(path) == locks.this_process()
        with pytest.raises(LockedError, match=str(os.getpid())), exclusive_lock(path, "busy", "wait"):
            pass
    assert not path.exists()


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_again(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    path.touch()
    opened = []

    def lock(file):
        opened.append(file)
        if len(opened) == 1:
            path.unlink()  # the last holder ends between opening and locking
        return original(file)

    original = locks._lock
    monkeypatch.setattr(locks, "_lock", lock)
    with exclusive_lock(path, "busy", "wait"):
        assert len(opened) == 2
        assert is_locked(path), "the lock is on the file that other processes find"
    assert opened[0].closed


def test_one_of_many_threads_at_a_time(tmp_path):
    path, counts, refused = tmp_path / "lock", [0, 0], []

    def work():
        for _ in range(200):
            try:
                with exclusive_lock(path, "busy", "wait"):
                    counts[0] += 1
                    assert counts[0] == 1
                    counts[1] += 1
                    counts[0] -= 1
            except LockedError as error:
                refused.append(error)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counts[0] == 0
    assert counts[1] + len(refused) == 800
    assert not path.exists()


def test_a_reader_does_not_refuse_a_process(tmp_path, monkeypatch):
    path, tries = tmp_path / "lock", []

    def lock(file):
        tries.append(file)
        return False if len(tries) == 1 else original(file)

    original = locks._lock
    monkeypatch.setattr(locks, "_lock", lock)
    with exclusive_lock(path, "busy", "wait"):
        assert len(tries) == 2


def test_without_locks_the_block_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_lock", lambda file: None)
    with exclusive_lock(tmp_path / "lock", "busy", "wait"), exclusive_lock(tmp_path / "lock", "busy", "wait"):
        pass
    with pytest.raises(FileError, match="cannot be written"), exclusive_lock(tmp_path / "no" / "lock", "busy", "wait"):
        pass


def test_a_full_disk_prevents_no_lock(tmp_path, monkeypatch):
    def full(descriptor, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "lock"
    monkeypatch.setattr(locks.os, "write", full)
    refused = pytest.raises(LockedError, match=r"busy \(another process\): wait")
    with exclusive_lock(path, "busy", "wait"), refused, exclusive_lock(path, "busy", "wait"):
        pass
    assert not path.exists()
