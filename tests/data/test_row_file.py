"""Files of rows: errors while writing."""

from __future__ import annotations

import errno
import tempfile

import numpy as np
import pytest

from pellucid.data.row_file import RowFile
from pellucid.errors import FileError


def test_a_full_disk_is_reported_while_writing(monkeypatch):
    class Full:
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda buffering: Full())
    with pytest.raises(FileError, match=r"there is not enough space for the decoded data.*TMPDIR"), RowFile((2,), "f4") as rows:
        rows.append(np.zeros((1, 2)))
