"""The layout of a series: the columns that are predicted, and the number of rows ahead."""

from __future__ import annotations

from dataclasses import dataclass

from pellucid.core.config import Config, Count
from pellucid.errors import ConfigError

MISSING = ("error", "last")  # the treatments of missing values in a series


@dataclass(frozen=True)
class SeriesLayout(Config):
    """The forecast that the windows of a series are made for.

    ``targets`` are the names of the columns that are predicted, for each of the next ``horizon`` rows. ``time`` is the name of
    the column with the times of the rows, which is no input, or None.
    """

    targets: tuple[str, ...]
    horizon: Count
    time: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.targets or len(set(self.targets)) < len(self.targets):
            raise ConfigError(f"{self}: targets are one or more different columns")
