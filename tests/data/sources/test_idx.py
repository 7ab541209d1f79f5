"""IDX files: round trips, and wrong headers, which are refused before memory is allocated."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from pellucid.data.sources.idx import read_idx, write_idx
from pellucid.errors import DataError, FileError


def gzipped(data: bytes) -> bytes:
    """Compress without the time, so that the names of the tests are the same in every process."""
    return gzip.compress(data, mtime=0)


DTYPES = ("uint8", "int8", "int16", "int32", "float32", "float64")


def some(dtype: str, shape=(3, 4, 5)):
    return (np.random.default_rng(0).standard_normal(shape) * 50).astype(dtype)


def header(code: int, *shape: int) -> bytes:
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def put(tmp_path, data: bytes):
    path = tmp_path / "file.idx"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["a.idx", "a.idx.gz"])
@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (0, 4), (1,) * 8])
def test_round_trip(tmp_path, dtype, name, shape):
    array = some(dtype, shape)
    write_idx(tmp_path / name, array)
    back = read_idx(tmp_path / name)
    assert back.dtype == np.dtype(dtype)
    assert back.dtype.isnative
    assert back.shape == shape
    assert (back == array).all()
    assert (tmp_path / name).read_bytes()[:2] == (b"\x1f\x8b" if name.endswith("gz") else b"\0\0")
    assert os.listdir(tmp_path) == [name]


def test_the_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "a", np.array([[1, -2, 258]], np.int16))
    assert (tmp_path / "a").read_bytes() == bytes.fromhex("00000b02 00000001 00000003 0001 fffe 0102")
    assert read_idx(put(tmp_path, bytes.fromhex("00000d01 00000001 3f800000"))).tolist() == [1.0]


def test_big_endian_and_strided_arrays_are_written_alike(tmp_path):
    array = some("int32")
    for name, other in (("a", array), ("b", array.astype(">i4")), ("c", np.asfortranarray(array)), ("d", array[::1, :, :])):
        write_idx(tmp_path / name, other)
    assert len({(tmp_path / name).read_bytes() for name in "abcd"}) == 1


def test_gzip_is_detected_by_content_not_by_name(tmp_path):
    write_idx(tmp_path / "plain", some("uint8"))
    (tmp_path / "plain.gz").write_bytes((tmp_path / "plain").read_bytes())
    (tmp_path / "packed").write_bytes(gzipped((tmp_path / "plain").read_bytes()))
    assert (read_idx(tmp_path / "plain.gz") == some("uint8")).all()
    assert (read_idx(tmp_path / "packed") == some("uint8")).all()


def test_the_same_array_gives_the_same_packed_bytes(tmp_path):
    for name in ("one.gz", "two.gz"):
        write_idx(tmp_path / name, some("uint8"))
    one = (tmp_path / "one.gz").read_bytes()
    assert one == (tmp_path / "two.gz").read_bytes()
    assert one[3:8] == bytes(5)  # no name, no time


PACKED = gzipped(header(8, 100) + bytes(100))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "got nothing"),
        (b"\0\0\x08", "got 00 00 08"),
        (b"<html><body>", "got 3c 68 74 6d"),
        (header(0x0A, 3) + bytes(3), "unknown type 0a"),
        (b"\0\0\x08\0" + bytes(9), "has 0 axes"),
        (header(8, *[1] * 9) + bytes(1), "has 9 axes"),
        (b"\0\0\x08\x03" + bytes(11), "3 axes take 12 bytes, got 11"),
        (header(8, 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(9), "more than a computer can address"),
        (header(8, 0, 2**32 - 1, 2**32 - 1, 2**32 - 1), "more than a computer can address"),
        (header(8, 2**32 - 1, 2**10) + bytes(9), "the file has 21: it is truncated"),
        (header(0x0E, 2) + bytes(15), "implies 24 bytes (shape (2,), float64), the file has 23: it is truncated"),
        (header(8, 2) + bytes(3), "other data follows"),
        (gzipped(header(8, 2**31) + bytes(9)), "bytes of gzip cannot contain that"),
        (gzipped(header(8, 50) + bytes(51)), "the last field of gzip has 59"),
        (gzipped(header(8, 50) + bytes(49)), "the last field of gzip has 57"),
        (PACKED[:-9] + PACKED[-8:], "gzip data is damaged"),
        (PACKED[:-8] + bytes(4) + PACKED[-4:], "CRC check failed"),
        (PACKED[:15], "gzip"),
        (b"\x1f\x8b", "gzip data is damaged"),
        (b"\x1f\x8b" + bytes(30), "gzip data is damaged"),
        (PACKED + b"more", "the last field of gzip"),
        (PACKED + b"more" + PACKED[-4:], "gzip data is damaged"),
        (PACKED + PACKED, "and more bytes follow"),
    ],
)
def test_refuses(tmp_path, data, words):
    path = put(tmp_path, data)
    with pytest.raises(FileError) as error:
        read_idx(path)
    assert words in str(error.value)
    assert str(path) in str(error.value)


def test_refuses_anything_but_a_file(tmp_path):
    with pytest.raises(FileError, match="no such file"):
        read_idx(tmp_path / "missing")
    with pytest.raises(FileError, match="got a folder"):
        read_idx(tmp_path)
    with pytest.raises(FileError, match="cannot be read"):
        read_idx("zero\0byte")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(FileError, match="got a device, a pipe"):
            read_idx(tmp_path / "pipe")


@pytest.mark.parametrize("array", [np.zeros(3, np.int64), np.zeros(3, bool), np.zeros(3, complex), np.zeros(3, "U1")])
def test_write_refuses_dtypes_that_idx_lacks(tmp_path, array):
    with pytest.raises(DataError, match="convert it to one of uint8, int8"):
        write_idx(tmp_path / "a", array)
    assert not os.listdir(tmp_path)


def test_write_refuses_scalars_and_missing_folders(tmp_path):
    with pytest.raises(DataError, match="1 to 8 axes"):
        write_idx(tmp_path / "a", np.float32(1))
    with pytest.raises(FileError, match="cannot be written"):
        write_idx(tmp_path / "no" / "a", some("uint8"))


def test_an_interrupted_write_leaves_only_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_idx(path, some("uint8"))

    def interrupted(descriptor):
        assert len(os.listdir(tmp_path)) == 2
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_idx(path, some("int16"))
    assert os.listdir(tmp_path) == ["a"]
    assert (read_idx(path) == some("uint8")).all()


VALID = [
    header(8, 4, 3) + bytes(range(12)),
    header(0x0B, 2, 2, 2) + bytes(range(16)),
    header(0x0E, 3) + bytes(range(24)),
    header(8, 200, 10) + bytes(2000),
]
INTERESTING = st.sampled_from([0, 1, 2, 3, 8, 9, 0x0B, 0x0C, 0x0D, 0x0E, 0x1F, 0x7F, 0x80, 0x8B, 0xFF])


@st.composite
def mutated(draw):
    data = bytearray(draw(st.sampled_from(VALID)))
    if draw(st.booleans()):
        data = bytearray(gzipped(bytes(data)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)) if draw(st.booleans()) else st.integers(0, min(24, len(data))))
        match draw(st.sampled_from(["set", "cut", "insert", "delete", "word", "append"])):
            case "set" if at < len(data):
                data[at] = draw(INTERESTING | st.integers(0, 255))
            case "cut":
                del data[at:]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=5))
            case "delete":
                del data[at : at + draw(st.integers(1, 5))]
            case "word":
                data[at : at + 4] = struct.pack(">I", draw(st.integers(0, 2**32 - 1)))
            case _:
                data += draw(st.binary(max_size=5))
    return bytes(data)


@given(mutated())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_exactly_or_refused(tmp_path, data):
    path = put(tmp_path, data)
    tracemalloc.start()
    try:
        array = read_idx(path)
    except FileError as error:
        refusal = str(error)
    else:
        refusal = str(path)
        # Then writing it again gives exactly the same content.
        write_idx(tmp_path / "again", array)
        assert (tmp_path / "again").read_bytes() == (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert refusal.startswith(str(path))
    assert peak < 4 << 20
