"""Plain values: what JSON cannot hold comes back as well, and what would come back as something else is refused."""

from __future__ import annotations

import collections

import numpy as np
import pytest

from pellucid import ConfigError
from pellucid.core.files import canonical_json
from pellucid.core.plain_values import packed, unpacked


@pytest.mark.parametrize("value", ["a\udc80", {"\udfff": ["é😀", "\ud800\udc00"]}, {1: True, "1": None}], ids=ascii)
def test_names_that_are_not_utf_8_come_back(value):
    form = packed(value, "v", {})
    canonical_json(form).encode()
    assert unpacked(form, {}) == value


Pair = collections.namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    "value",
    [
        collections.Counter("ab"),
        collections.defaultdict(list),
        Pair(1, 2),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        np.ones(2, np.longdouble) if np.dtype(np.longdouble).itemsize > 8 else {1, 2},
        np.array(["text"]),
        np.array([None]),
        1j,
        b"bytes",
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_would_come_back_as_something_else_is_refused(value):
    with pytest.raises(ConfigError, match=r"cannot hold v\.0, which is of the type"):
        packed([value], "v", {})


def test_a_memory_map_comes_back_as_an_array(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(5))
    arrays = {}
    back = unpacked(packed(np.load(tmp_path / "x.npy", mmap_mode="r"), "v", arrays), arrays)
    assert back.tolist() == [0, 1, 2, 3, 4]
    back[0] = 7
