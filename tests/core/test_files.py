"""Tests of files: round trips, and the refusal of any other content before memory is allocated for it."""

from __future__ import annotations

import errno
import json
import os
import stat
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from pellucid import CheckpointError, ConfigError, CrossEntropy, Dense, FileError, Model, ReLU, Sequential, Softmax
from pellucid.core.files import (
    TensorFile,
    canonical_json,
    read_json,
    save_tensors,
    write_atomically,
    write_text,
    write_together,
)

SETTINGS = {"name": "Grüße", "b": [1, 2.5, None, True], "a": {}}
TENSORS = {"b.W": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([1e-300]), "none": np.zeros((0, 4), np.float32)}


@pytest.fixture(autouse=True)
def _on_disk(real_fsync, monkeypatch):
    monkeypatch.setattr(os, "fsync", real_fsync)


@pytest.fixture
def content(tmp_path):
    """The bytes of a small file."""
    save_tensors(tmp_path / "good", SETTINGS, TENSORS)
    return (tmp_path / "good").read_bytes()


def opened(tmp_path, content: bytes) -> TensorFile:
    (tmp_path / "other").write_bytes(content)
    return TensorFile(tmp_path / "other")


def parts(content: bytes) -> tuple[dict, bytes]:
    """Return (the header, the data) of a file."""
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: str, data: bytes) -> bytes:
    text = header.encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


# -- round trips ------------------------------------------------------------------------------------------------------


def test_arrays_and_settings_come_back(tmp_path, content):
    file = opened(tmp_path, content)
    assert file.settings == SETTINGS
    assert file.shapes == {"a": (1,), "b.W": (2, 3), "none": (0, 4)}
    for name, array in file.arrays().items():
        assert array.dtype == TENSORS[name].dtype
        np.testing.assert_array_equal(array, TENSORS[name])


def test_the_safetensors_library_reads_it(tmp_path, content):
    path = tmp_path / "good"
    for name, array in safetensors.numpy.load_file(path).items():
        np.testing.assert_array_equal(array, TENSORS[name])
    with safetensors.safe_open(path, "numpy") as file:
        assert json.loads(file.metadata()["pellucid"]) == SETTINGS
    assert len(content) % 8 == 0  # header and arrays are aligned


def test_the_bytes_depend_only_on_the_content(tmp_path, content):
    for name, tensors in {
        "order": dict(reversed(TENSORS.items())),
        "strides": {k: np.asfortranarray(a) for k, a in TENSORS.items()},
        "big endian": {k: a.astype(a.dtype.newbyteorder(">")) for k, a in TENSORS.items()},
    }.items():
        save_tensors(tmp_path / name, dict(reversed(SETTINGS.items())), tensors)
        assert (tmp_path / name).read_bytes() == content, name


def test_the_same_model_twice_is_the_same_file(tmp_path):
    x, y = np.random.default_rng(0).random((40, 5)), np.arange(40) % 3
    for name in ("one", "two"):
        model = Sequential(Dense(4), ReLU(), Dense(3), Softmax()).compile((5,), CrossEntropy(), seed=3)
        model.fit(x, y, epochs=2, deterministic=True)
        model.save(tmp_path / name, training_state=True)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    Model.load(tmp_path / "one").save(tmp_path / "three", training_state=True)
    assert (tmp_path / "three").read_bytes() == (tmp_path / "one").read_bytes()


# -- damage -----------------------------------------------------------------------------------------------------------


def test_every_changed_byte_is_detected(tmp_path, content):
    for place in range(len(content)):
        for mask in (0x01, 0x20, 0x80):
            damaged = bytearray(content)
            damaged[place] ^= mask
            with pytest.raises(FileError):
                opened(tmp_path, bytes(damaged))


def test_every_wrong_length_is_refused(tmp_path, content):
    for length in range(len(content)):
        with pytest.raises(FileError):
            opened(tmp_path, content[:length])
    for more in (b"\0", b" ", content):
        with pytest.raises(FileError, match="file contains"):
            opened(tmp_path, content + more)


def rewritten(change):
    """Return a function that replaces the header of a file by ``change(header)``."""
    return lambda content: joined(change(parts(content)[0]), parts(content)[1])


def with_entry(name, **entry):
    return rewritten(lambda head: canonical_json({**head, name: {**head.get(name, {}), **entry}}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rewritten(json.dumps), "canonical"),  # spaces
        (rewritten(lambda head: canonical_json(head).replace('{"__meta', '{ "__meta')), "canonical"),
        (rewritten(lambda head: json.dumps(dict(reversed(head.items())), separators=(",", ":"))), "canonical"),  # order
        (
            rewritten(lambda head: canonical_json(head)[:-1] + ',"a":' + canonical_json(head["a"]) + "}"),
            "canonical",
        ),  # a key twice
        (rewritten(lambda head: canonical_json(head).replace("Grüße", "Gr\\u00fc\\u00dfe")), "canonical"),
        (rewritten(lambda head: canonical_json(head).replace('"a":{"data', '"\\u0061":{"data')), "canonical"),
        (rewritten(lambda head: canonical_json(head).replace("[0,8]", "[0.0,8]")), "canonical"),
        (rewritten(lambda head: canonical_json(head).replace("[0,8]", "[-8,0]")), "canonical"),
        (rewritten(lambda head: canonical_json({**head, "__metadata__": {**head["__metadata__"], "more": ""}})), "canonical"),
        (rewritten(lambda head: canonical_json({k: v for k, v in head.items() if k != "__metadata__"})), "is not readable"),
        (rewritten(lambda head: "[]"), "is not readable"),
        (rewritten(lambda head: "[" * 100_000), "is not readable"),
        (rewritten(lambda head: "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")), "is not readable"),
        (with_entry("a", dtype="F16"), r"of shape \[1\] has 8 bytes"),
        (with_entry("a", dtype="BF16"), "dtype BF16"),
        (with_entry("a", dtype="I64"), "dtype I64"),
        (with_entry("a", shape=[2]), r"of shape \[2\] has 8 bytes"),
        (with_entry("a", shape=[-1]), r"shape \[-1\]"),
        (with_entry("a", shape=[True]), r"shape \[True\]"),
        (with_entry("a", shape=[2**40, 2**40]), "has 8 bytes"),
        (with_entry("none", shape=[0, 2**62]), "SHA-256"),  # empty because of the axis of length 0
        (with_entry("a", shape=[1, 1]), "SHA-256"),
        (lambda content: content.replace(b"sha256", b"sha255"), "is not readable"),
    ],
)
def test_headers_other_than_the_canonical_one_are_refused(tmp_path, content, change, words):
    with pytest.raises(FileError, match=words):
        opened(tmp_path, change(content))


@pytest.mark.parametrize("claim", ["header", "tensor"])
def test_a_wrong_size_does_not_allocate_memory(tmp_path, content, claim):
    huge = 2**40
    if claim == "header":
        content = struct.pack("<Q", huge) + content[8:]
    else:
        head, data = parts(content)
        head["none"] = {"dtype": "F32", "shape": [huge], "data_offsets": [32, 32 + 4 * huge]}
        content = joined(canonical_json(head), data)
    tracemalloc.start()
    try:
        with pytest.raises(FileError):
            opened(tmp_path, content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def test_a_network_that_does_not_match_its_arrays_is_refused_before_memory_is_allocated(tmp_path):
    model = Sequential(Dense(3), Softmax()).compile((4,), CrossEntropy())
    settings = {"format": 1, "training_state": False, "steps": 0, "epochs": 0, **model.config()}
    settings["input_shape"] = [2**40]
    save_tensors(tmp_path / "m", settings, model.weights)
    with pytest.raises(CheckpointError, match=r"dense1.W should be \(1099511627776, 3\), is \(4, 3\)"):
        Model.load(tmp_path / "m")
    save_tensors(tmp_path / "m", {**settings, "network": {"class": "os:system"}}, model.weights)
    with pytest.raises(ConfigError, match="unknown class"):
        Model.load(tmp_path / "m")


def test_a_name_that_no_file_can_have_is_a_file_error(tmp_path):
    for name in ("a\0b", "a" * 300):
        with pytest.raises(FileError, match="cannot read"):
            Model.load(tmp_path / name)


# -- writing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()])
def test_an_interrupted_write_leaves_only_the_old_file(tmp_path, error):
    write_text(tmp_path / "file", "old")

    def chunks():
        yield b"half of the new"
        raise error

    with pytest.raises(FileError if isinstance(error, OSError) else type(error)):
        write_atomically(tmp_path / "file", chunks())
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_content_and_name_are_flushed_to_disk_and_a_failed_flush_keeps_the_old_file(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def watched(descriptor):
        synced.append(stat.S_ISDIR(os.fstat(descriptor).st_mode))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    write_text(tmp_path / "a", "old")
    assert synced == [False, True], "the file, then its folder"

    def failing(descriptor):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(FileError, match="a: cannot be written: Input/output error"):
        write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_path_that_cannot_be_written_is_a_file_error(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "missing" / "m", tmp_path / "file" / "m", tmp_path / "folder", Path(), Path("/")):
        with pytest.raises(FileError, match="cannot be written"):
            write_text(path, "new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_the_mode_follows_the_umask(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "file", "x")
        assert os.umask(mask) == mask  # writing has not changed the mask
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_is_replaced_keeps_its_permissions(tmp_path):
    for write in (write_alone, write_with_others):
        (tmp_path / "a").write_text("old")
        (tmp_path / "a").chmod(0o600)  # a model that others must not read
        write(tmp_path / "a")
        assert (tmp_path / "a").read_text() == "new"
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600


@pytest.mark.skipif(os.name != "posix", reason="creating links needs a privilege elsewhere")
def test_a_link_stays_a_link_to_the_new_file(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "latest").symlink_to(Path("runs", "1"))
    for write in (write_alone, write_with_others):  # the first time, the link names no file yet
        (tmp_path / "runs" / "1").unlink(missing_ok=True)
        write(tmp_path / "latest")
        assert (tmp_path / "latest").is_symlink()
        assert (tmp_path / "runs" / "1").read_text() == "new"
        assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_devices_and_pipes_are_not_replaced(tmp_path):
    """Root may rename a file over /dev/null, after which the system is broken."""
    os.mkfifo(tmp_path / "pipe")
    for write in (write_alone, write_with_others):
        with pytest.raises(FileError, match="pipe: cannot be written: expected the name of a file, got a device, a pipe"):
            write(tmp_path / "pipe")
        assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    for write in (write_alone, write_with_others):
        write(tmp_path / ("n" * 255))
    assert [one.name for one in tmp_path.iterdir()] == ["n" * 255]


def write_alone(path: Path) -> None:
    write_text(path, "new")


def write_with_others(path: Path) -> None:
    write_together({path: b"new"})


def test_reading_missing_and_invalid_files(tmp_path):
    for read in (TensorFile, read_json):
        with pytest.raises(FileError, match="missing"):
            read(tmp_path / "missing")
    for content in (b"{", b"", b"\xff\xfe", b"[" * 100_000):
        (tmp_path / "bad.json").write_bytes(content)
        with pytest.raises(FileError, match="is not a JSON file"):
            read_json(tmp_path / "bad.json")
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json({"x": float("nan")})


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_of_several_files_all_are_new_or_none(tmp_path, monkeypatch, error):
    paths = [tmp_path / "old" / "a", tmp_path / "new" / "deep" / "b"]
    files = {path: path.name.encode() for path in paths}
    paths[0].parent.mkdir()
    paths[0].write_text("before")
    sync, rename, calls = os.fsync, os.replace, []

    def fail(call):
        def failing(*arguments):
            calls.append(arguments)
            if len(calls) == 2:
                raise error
            return call(*arguments)

        return failing

    with monkeypatch.context() as patch:
        patch.setattr("pellucid.core.files._sync_folder", lambda folder: None)
        patch.setattr(os, "fsync", fail(sync))
        with pytest.raises(KeyboardInterrupt if error is KeyboardInterrupt else FileError):
            write_together(files)
    assert sorted(tmp_path.rglob("*")) == [paths[0].parent, paths[0]]
    assert paths[0].read_text() == "before"
    if error is KeyboardInterrupt:
        calls.clear()
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fail(rename))
            with pytest.raises(KeyboardInterrupt):
                write_together(files)
        assert sorted(one for one in tmp_path.rglob("*") if one.is_file()) == sorted(paths)
        assert [path.read_bytes() for path in paths] == [b"a", b"b"]
    write_together(files)
    assert [path.read_bytes() for path in paths] == [b"a", b"b"]
