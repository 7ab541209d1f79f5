"""The folders in which the files of data sets are looked for: one that the user names, and the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pellucid.errors import FileError


class NamedFolder(NamedTuple):
    """A folder that the user named: its path, its name as it was given, and where it was given."""

    path: Path
    text: str
    given_by: str  # "data_dir" or "PELLUCID_DATA"


def named_folder(data_dir: str | os.PathLike[str] | None) -> NamedFolder | None:
    """Return ``data_dir``, or else the folder in the environment variable PELLUCID_DATA, or else None."""
    given_by = "PELLUCID_DATA" if data_dir is None else "data_dir"
    folder = (os.environ.get("PELLUCID_DATA") or None) if data_dir is None else data_dir
    return None if folder is None else NamedFolder(Path(os.path.expanduser(folder)), os.fspath(folder), given_by)


def cache_folder(name: str) -> Path:
    """Return the folder for the downloads of the data set ``name``. Raises FileError for a user without a home folder."""
    try:
        return Path.home() / ".cache" / "pellucid" / name
    except RuntimeError:
        raise FileError("this user has no home folder for downloads: name a folder with data_dir=…") from None
