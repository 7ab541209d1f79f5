"""Somebody's own data as the three sets of an experiment: a table, or a folder with one folder of pictures for each class."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from pellucid.core.config import Config
from pellucid.data.arrays import digest
from pellucid.data.dataset import Dataset, Origin, Splits
from pellucid.data.images.folders import COLOURS, Survey, from_folder
from pellucid.data.tables.columns import MISSING
from pellucid.data.tables.reading import TASKS, from_csv
from pellucid.errors import ConfigError, DataError, FileError, did_you_mean

TABLES = (".csv", ".tsv")
PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}  # how people call the folders of a split
LARGEST = 128  # pixels: larger pictures are made smaller where nobody says which size they should have
USUAL = (32, 32)
_ENOUGH = 100  # test samples: with fewer, figures are rough
_FEWEST = 10


@dataclass(frozen=True)
class Reading(Config):
    """How somebody's own files are read: of a table the ``target``, the ``task``, what stands for ``missing`` values, which
    columns to ``ignore`` and whether it has a ``header``; of pictures the ``size`` (height, width) and the ``colour``. See
    :meth:`Dataset.from_csv` and :meth:`Dataset.from_folder`."""

    target: str | None = None
    task: str | None = None
    missing: str = "error"
    ignore: tuple[str, ...] = ()
    header: bool = True
    size: tuple[int, int] | None = None
    colour: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in (("task", TASKS), ("missing", MISSING), ("colour", tuple(COLOURS))):
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise ConfigError(f"--{name} {value!r}: {did_you_mean(value, allowed)}")
        if self.size is not None and min(self.size) < 1:
            raise ConfigError(f"--size {self.size[1]}x{self.size[0]}: width and height are at least 1")

    @property
    def given(self) -> list[str]:
        """The names of what differs from the default."""
        return [one.name for one in dataclasses.fields(self) if getattr(self, one.name) != one.default]

    def only(self, allowed: tuple[str, ...], what: str) -> None:
        """Refuses what does not go with such data."""
        for name in self.given:
            if name not in allowed:
                flag = "no-header" if name == "header" else name
                raise ConfigError(f"--{flag} is not for {what}")


def parsed_size(text: str | None) -> tuple[int, int] | None:
    """(height, width) of ``64x48``, which is width by height as people write it, or of ``32``."""
    if text is None:
        return None
    try:
        width, *height = text.lower().split("x", 1)
        return int(height[0] if height else width), int(width)
    except ValueError:
        raise ConfigError(f"--size {text!r}: a size looks like 32x32 (width by height)") from None


def is_table(name: str) -> bool:
    """Whether that is a table. Raises FileError for a path that leads nowhere, ConfigError for another kind of file."""
    path = Path(name)
    if path.is_dir():
        return False
    if not path.exists():
        raise FileError(f"{name}: there is no such file or folder")
    if path.suffix.lower() not in TABLES:
        raise ConfigError(
            f"{name}: own data is a table ({' or '.join(TABLES)}) or a folder with one folder of pictures a class"
        )
    return True


def suited(name: str, reading: Reading) -> tuple[Reading, str, str | None]:
    """(the reading with the size that such pictures are brought to, the preset that fits the data, a line about the size where
    it was chosen here). Looks at the headers of the pictures."""
    if is_table(name):
        return reading, "table", None
    size, line = reading.size, None
    if size is None:
        surveys = [Survey.of(folder) for folder in _parts(Path(name)).values()]
        both = dataclasses.replace(surveys[0], sizes=sum((one.sizes for one in surveys), Counter()))
        size = both.size
        if size is None or max(size) > LARGEST:
            size, line = USUAL, f"size      the pictures have {both.described_sizes()}: brought to 32x32; --size says another"
    return dataclasses.replace(reading, size=size), "cnn" if min(size) >= 20 else "mlp", line


def opened(name: str, reading: Reading, split_seed: int = 0) -> Splits:
    """The table or folder of that name, split into 80, 10 and 10 % by the seed, classes in proportion. A folder may bring its
    own split: in it are ``train`` and ``validation`` or ``test`` then, each with one folder a class; what is missing is taken
    from the training set.

    Raises what Dataset.from_csv and Dataset.from_folder do, ConfigError for settings that are not for such data.
    """
    if is_table(name):
        reading.only(("target", "task", "missing", "ignore", "header"), "tables")
        if reading.target is None:
            raise ConfigError(f"{name}: say with --target which column is to be predicted: {_columns(name, reading.header)}")
        data = from_csv(
            name, reading.target, task=reading.task, missing=reading.missing, ignore=reading.ignore, header=reading.header
        )
        return _split(name, {"train": data}, split_seed)
    reading.only(("size", "colour"), "folders of pictures")
    surveys = {part: Survey.of(folder) for part, folder in _parts(Path(name)).items()}
    size, colour = reading.size, reading.colour
    if size is None and len({one.size for one in surveys.values()}) == 1:
        size = surveys["train"].size
    if colour is None:
        colour = "colour" if any(one.coloured for one in surveys.values()) else "grey"
    sets = dict[str, Dataset]()
    for part, survey in surveys.items():
        classes = sets["train"].classes if sets else None
        sets[part] = from_folder(survey.path, size=size, colour=colour, classes=classes, survey=survey)
    return _split(name, sets, split_seed)


def _split(name: str, sets: dict[str, Dataset], seed: int) -> Splits:
    """The sets, and those that are missing taken from the training set, a tenth of all samples each."""
    whole, origin = len(sets["train"]), sets["train"].origin or Origin()
    notes = list(origin.notes)
    for part in ("test", "validation"):
        if part in sets:
            notes += [f"{part}: {line}" for line in (sets[part].origin or Origin()).notes if line.startswith("broken")]
            continue
        if whole < _FEWEST:
            raise DataError(f"{name}: {whole} samples are too few for three sets: at least {_FEWEST} are needed")
        sets["train"], sets[part] = sets["train"].split(max(1, round(whole / 10)), seed)
    if len(sets["test"]) < _ENOUGH:
        notes.append(f"test set  it has {len(sets['test'])} samples only: figures on it are rough")
    skipped = tuple(one for data in dict.fromkeys(sets.values()) for one in (data.origin or Origin()).skipped)
    sets["train"].origin = dataclasses.replace(origin, notes=tuple(notes), skipped=tuple(dict.fromkeys(skipped)))
    stem = Path(os.path.abspath(name)).stem
    for part, data in sets.items():
        data.name = f"{stem} {part}"
    train, validation, test = (sets[part] for part in PARTS)
    return Splits(train, validation, test, stem, name, digest(train, validation, test))


def _parts(root: Path) -> dict[str, Path]:
    """The folders of the split that a folder brings, ``train`` first; itself as ``train`` where it brings none."""
    found = {}
    for part, names in PARTS.items():
        there = [root / name for name in names if (root / name).is_dir()]
        if len(there) > 1:
            raise DataError(f"{root}: {there[0].name} and {there[1].name} both look like the {part} set")
        if there:
            found[part] = there[0]
    return found if "train" in found and len(found) > 1 else {"train": root}


def _columns(name: str, header: bool) -> str:
    from pellucid.data.tables.csv import CSV

    names = [one for one in CSV(name, header).names if one]
    return ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
