"""What differs between operating systems, simulated on this one: docs/platforms.md lists what only these tests have seen."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import types

import pytest

from pellucid.core import files, locks, system
from pellucid.core.files import write_text, write_together
from pellucid.core.locks import exclusive_lock, holder
from pellucid.core.system import flush_to_disk, is_unicode, portable_name, replace_file
from pellucid.errors import FileError, LockedError


def test_macos_empties_the_memory_of_the_drive_too(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: calls.append("fsync"))
    monkeypatch.setattr(system, "fcntl", types.SimpleNamespace(F_FULLFSYNC=51, fcntl=lambda _, code: calls.append(code)))
    write_text(tmp_path / "file", "x")
    assert calls == [51, 51], "the file, then its folder"

    def unsupported(descriptor, code):
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(system, "fcntl", types.SimpleNamespace(F_FULLFSYNC=51, fcntl=unsupported))
    flush_to_disk(0)
    assert calls == [51, 51, "fsync"], "the file system of a network has fsync alone"


def refused(message):
    return PermissionError(errno.EACCES, message)


@pytest.fixture
def windows(monkeypatch):
    """Files as on Windows: bytes are locked by msvcrt, folders cannot be opened, open and read-only files are neither
    removed nor replaced.

    Yields the files that the library has opened.
    """
    fcntl = pytest.importorskip("fcntl", reason="the locks of Unix take the place of those of Windows")
    opened, unlink, replace = [], os.unlink, os.replace

    def watched(path, mode):
        opened.append(open(path, mode))  # noqa: SIM115
        return opened[-1]

    def in_use(path):
        read_only = not os.stat(path).st_mode & stat.S_IWRITE
        return read_only or any(not one.closed and os.fstat(one.fileno()).st_ino == os.stat(path).st_ino for one in opened)

    def unlinked(path):
        if in_use(path):
            raise refused("The process cannot access the file because it is being used by another process")
        unlink(path)

    def replaced(source, target):
        if os.path.exists(target) and in_use(target):
            raise refused("Access is denied")
        replace(source, target)

    def locking(descriptor, mode, count):
        assert os.lseek(descriptor, 0, os.SEEK_CUR) > 1000, (
            "others read the first bytes, which Windows forbids if they are locked"
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise refused("Permission denied") from None

    def no_folders(path, flags):
        raise refused("Permission denied")

    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(LK_NBLCK=2, locking=locking))
    for module in (locks, system, files):
        monkeypatch.setattr(module, "IS_WINDOWS", True)
    monkeypatch.setattr(system, "fcntl", None)
    monkeypatch.setattr(os, "unlink", unlinked)
    monkeypatch.setattr(os, "replace", replaced)
    monkeypatch.setattr(os.path, "samestat", lambda one, other: False)
    monkeypatch.setattr(files, "os", types.SimpleNamespace(**{**vars(os), "open": no_folders}))
    for module in (locks, files):
        monkeypatch.setattr(module, "open", watched, raising=False)
    return opened


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_lock_of_windows_is_held_named_and_removed(tmp_path, windows, error):
    path = tmp_path / ".lock"
    with contextlib.suppress(KeyboardInterrupt), exclusive_lock(path, "busy", "wait"):
        assert holder(path) == locks.this_process()
        with (
            pytest.raises(LockedError, match=rf"^busy \(process {os.getpid()} on .*\): wait$"),
            exclusive_lock(path, "busy", "wait"),
        ):
            pass
        if error:
            raise error
    assert not path.exists(), "the file is closed before it is removed"
    assert holder(path) is None


def test_a_lock_of_windows_that_another_process_took_over_stays(tmp_path, windows):
    path = tmp_path / ".lock"
    with exclusive_lock(path, "busy", "wait"):
        windows.append(open(path, "rb"))  # noqa: SIM115
    assert path.exists()
    windows[-1].close()
    with exclusive_lock(path, "busy", "wait"):
        pass
    assert not path.exists()


def test_a_file_that_windows_has_open_is_replaced_when_its_reader_is_done(tmp_path, windows, monkeypatch):
    path, pauses = tmp_path / "history.csv", []
    write_text(path, "old")
    windows.append(open(path, "rb"))  # noqa: SIM115
    reader = windows[-1]

    def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            reader.close()

    monkeypatch.setattr(system.time, "sleep", sleep)
    write_text(path, "new")
    assert path.read_text() == "new"
    assert pauses == [0.01, 0.02, 0.04]
    windows.append(open(path, "rb"))  # noqa: SIM115 (for ever)
    with pytest.raises(FileError, match=r"history\.csv: cannot be written: Access is denied"):
        write_text(path, "newer")
    assert 1 < sum(pauses[3:]) < 2
    assert path.read_text() == "new"
    assert [one.name for one in tmp_path.iterdir()] == ["history.csv"]
    windows[-1].close()


def test_a_read_only_file_of_windows_is_refused_at_once(tmp_path, windows, monkeypatch):
    path = tmp_path / "model"
    write_text(path, "old")
    path.chmod(0o444)
    monkeypatch.setattr(system.time, "sleep", None)
    for write in (lambda: write_text(path, "new"), lambda: write_together({tmp_path / "a": b"", path: b"new"})):
        with pytest.raises(FileError, match=r"model: cannot be written: the file is read-only: allow writing, or choose"):
            write()
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["model"]


def test_elsewhere_a_refused_name_is_an_error_at_once(tmp_path, monkeypatch):
    def refuse(source, target):
        raise refused("Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(system.time, "sleep", None)
    with pytest.raises(PermissionError):
        replace_file(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hidden=64,lr=0.1,seed=0", "hidden=64,lr=0.1,seed=0"),
        ("model=nets/a.json", "model=nets_a.json"),
        (r"model=C:\nets\a.json", "model=C__nets_a.json"),
        ('a<b>c"d|e?f*g\0', "a_b_c_d_e_f_g_"),
        ("con", "_con"),
        ("Com1.csv", "_Com1.csv"),
        ("console", "console"),
        ("a. ", "a_"),
        ("..", "_"),
        ("", "_"),
        ("größe=1", "größe=1"),
    ],
)
def test_names_that_every_system_allows(text, name):
    assert portable_name(text) == name
    assert portable_name(name) == name


@pytest.mark.parametrize(
    ("encoding", "all_characters"),
    [("utf-8", True), ("UTF8", True), ("utf-16-le", True), ("cp1252", False), ("ascii", False), (None, True)],
)
def test_streams_that_can_write_everything(encoding, all_characters):
    assert is_unicode(types.SimpleNamespace(encoding=encoding)) == all_characters
