"""User data as the three sets of an experiment: a table, a folder with one subfolder of images for each class, or text."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pellucid.core.config import Config, Count
from pellucid.data.dataset import Dataset, Origin, Splits, digest
from pellucid.data.images.folders import COLOURS, image_files, read_scanned, scan_folder
from pellucid.data.series.reading import read_series
from pellucid.data.tables.column_types import TASKS
from pellucid.data.tables.columns import MISSING, VALUE, Column, TableStage
from pellucid.data.tables.csv_file import CSVFile
from pellucid.data.tables.reading import read_csv, read_rows
from pellucid.data.text.reading import ENCODING, SUFFIXES, is_text_file, read_lines, read_text, text_files
from pellucid.data.text.running_text import CONTEXT
from pellucid.data.text.tokenizer import Tokenizer
from pellucid.errors import ConfigError, DataError, FileError, did_you_mean

TABLE_SUFFIXES = (".csv", ".tsv")
PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}  # the usual names of the folders of a split
MAX_SIZE = 128  # pixels: larger images are reduced to the default size, unless the user gives a size
DEFAULT_SIZE = (32, 32)
TABLE_OPTIONS = ("target", "task", "missing", "ignore", "header", "categorical", "logarithm")
TEXT_OPTIONS = ("context", "tokens", "lines", "encoding")
WINDOW = 4  # horizons: the length of the window if none is given
_FEW_TEST_SAMPLES = 100  # with fewer, the results on the test set are rough
_MIN_SAMPLES = 10


@dataclass(frozen=True)
class ReadOptions(Config):
    """The options with which user files are read.

    For a table: the ``target`` or several, the ``task``, the treatment of ``missing`` values (None for the default), the
    columns to ``ignore``, whether it has a ``header``, the ``categorical`` columns, and whether the ``logarithm`` of the target
    is learned, as in :func:`~pellucid.data.tables.reading.read_csv`. For a table that is a series: its targets, the
    ``horizon``, the ``window`` and the column ``time``, as in :func:`~pellucid.data.series.reading.read_series`, and the
    ``season``, the period of the series in rows, for the seasonal forecast that others are compared with. For images: the
    ``size`` (height, width) and the ``colour``, as in :func:`~pellucid.data.images.folders.read_folder`. For text: the
    ``context``, the number of ``tokens`` of a byte-pair encoding in place of characters, whether its ``lines`` are samples, and
    the ``encoding`` of the files, as in :func:`~pellucid.data.text.reading.read_text`.

    Raises ConfigError for values that are not allowed.
    """

    target: str | tuple[str, ...] | None = None
    task: str | None = None
    missing: str | None = None
    ignore: tuple[str, ...] = ()
    header: bool = True
    size: tuple[int, int] | None = None
    colour: str | None = None
    horizon: Count | None = None
    window: Count | None = None
    time: str | None = None
    season: Count | None = None
    context: Count | None = field(default=None, metadata={"optional": True})
    tokens: Count | None = field(default=None, metadata={"optional": True})
    lines: bool = field(default=False, metadata={"optional": True})
    encoding: str = field(default=ENCODING, metadata={"optional": True})
    categorical: tuple[str, ...] = field(default=(), metadata={"optional": True})
    logarithm: bool | None = field(default=None, metadata={"optional": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, allowed in (("task", TASKS), ("missing", (*MISSING, "last")), ("colour", tuple(COLOURS))):
            value = getattr(self, name)
            if value is not None and value not in allowed:
                raise ConfigError(f"--{name} {value!r}: {did_you_mean(value, allowed)}")
        if self.size is not None and min(self.size) < 1:
            raise ConfigError(f"--size {self.size[0]}x{self.size[1]}: height and width must be at least 1")

    @property
    def changed(self) -> list[str]:
        """The names of the options that differ from their defaults. In runs of earlier versions, missing is "error" for all."""
        changed = [field.name for field in dataclasses.fields(self) if getattr(self, field.name) != field.default]
        return [name for name in changed if name != "missing" or self.missing != "error"]

    def check_options(self, allowed: tuple[str, ...], data: str) -> None:
        """Raise ConfigError if an option is given that does not apply to ``data``, which is described in words."""
        for name in self.changed:
            if name not in allowed:
                flag = "no-header" if name == "header" else name
                raise ConfigError(f"--{flag} does not apply to {data}")


def parse_size(text: str | None) -> tuple[int, int] | None:
    """Return (height, width) for a text such as ``48x64``, in this order, or ``32``. Raises ConfigError."""
    if text is None:
        return None
    try:
        height, *width = text.lower().split("x", 1)
        return int(height), int(width[0] if width else height)
    except ValueError:
        raise ConfigError(f"--size {text!r}: expected a size such as 48x64 (48 high, 64 wide)") from None


def kind_of(name: str, reading: ReadOptions | None = None) -> str:
    """Return the kind of the user data at a path: "table", "images" or "text".

    A folder with text files and without images is text. Options for text make any file one. Raises FileError if there is no
    such file, and ConfigError for another kind of file.
    """
    path = Path(name)
    chosen = reading is not None and bool(set(reading.changed) & set(TEXT_OPTIONS))
    if os.path.isdir(path):
        has_texts = chosen or (next(image_files(path, Counter()), None) is None and next(text_files(path), None) is not None)
        return "text" if has_texts else "images"
    if not os.path.exists(path):
        raise FileError(f"{name}: there is no such file or folder")
    if path.suffix.lower() in TABLE_SUFFIXES:
        return "table"
    if chosen or is_text_file(path):
        return "text"
    raise ConfigError(
        f"{name}: user data must be a table ({' or '.join(TABLE_SUFFIXES)}), a folder with one subfolder of images for each "
        f"class, or text ({', '.join(SUFFIXES)}, a folder of such files, or any text file with --context)"
    )


def reads_windows(name: str, reading: ReadOptions | None = None) -> bool:
    """Return whether the user data at a path is text that is read in windows."""
    return kind_of(name, reading) == "text" and not (reading is not None and reading.lines)


def suggest_settings(name: str, reading: ReadOptions) -> tuple[ReadOptions, str, str | None]:
    """Return the read options with an image size, the preset that suits the data, and a note if the size was chosen here.

    For images, the headers of the files are read.
    """
    kind = kind_of(name, reading)
    if kind == "table":
        return reading, "table" if reading.horizon is None else "forecast", None
    if kind == "text":
        return reading, "gpt-mini", None
    size, note = reading.size, None
    if size is None:
        scans = [scan_folder(folder) for folder in _split_folders(Path(name)).values()]
        all_parts = dataclasses.replace(scans[0], sizes=sum((scan.sizes for scan in scans), Counter()))
        size = all_parts.size
        if size is None or max(size) > MAX_SIZE:
            size = DEFAULT_SIZE
            note = f"size      the images have {all_parts.describe_sizes()}: resized to 32x32; --size sets another size"
    return dataclasses.replace(reading, size=size), "cnn" if min(size) >= 20 else "mlp", note


def read_splits(name: str, reading: ReadOptions, split_seed: int = 0, columns: Sequence[Column] | None = None) -> Splits:
    """Return the table or folder at the path ``name``, split by the seed into 80, 10 and 10 %, stratified by class.

    A table without a horizon has the ``columns`` of a model, if they are given. With a ``horizon`` the table is a series, which
    is split in time instead. Text is split by place, and with ``lines`` by the seed.

    A folder that is split already contains the folder ``train`` and at least one of ``validation`` and ``test``, each with one
    subfolder for each class. If one of these two is missing, that set is taken from the training set.

    Raises the errors of ``read_csv`` and ``read_folder``, and ConfigError for options that do not apply to the data.
    """
    kind = kind_of(name, reading)
    if kind == "text":
        return read_text_splits(name, reading, split_seed)
    if kind == "table" and reading.horizon is not None:
        if split_seed:
            raise ConfigError("--split-seed does not apply to series, which are split in time")
        return _read_series(name, reading, reading.horizon)
    if kind == "table":
        reading.check_options(TABLE_OPTIONS, "tables without --horizon")
        data = read_csv(
            name,
            _targets_of_table(name, reading),
            task=reading.task,
            missing=reading.missing or VALUE,
            ignore=reading.ignore,
            header=reading.header,
            categorical=reading.categorical,
            logarithm=reading.logarithm,
            columns=columns,
        )
        return _complete_splits(name, {"train": data}, split_seed)
    reading.check_options(("size", "colour"), "folders of images")
    scans = {part: scan_folder(folder) for part, folder in _split_folders(Path(name)).items()}
    size, colour = reading.size, reading.colour
    if size is None and len({scan.size for scan in scans.values()}) == 1:
        size = scans["train"].size
    if colour is None:
        colour = "colour" if any(scan.coloured for scan in scans.values()) else "grey"
    sets = dict[str, Dataset]()
    for part, scan in scans.items():
        classes = sets["train"].classes if sets else None
        sets[part] = read_scanned(scan, size=size, colour=colour, classes=classes)
    return _complete_splits(name, sets, split_seed)


def checked_target(name: str, reading: ReadOptions) -> str | tuple[str, ...]:
    """Return the target of the table at the path ``name``, or several. Raises ConfigError if none is given."""
    if reading.target is None:
        raise ConfigError(f"{name}: name the column to predict with --target: {_column_names(name, reading.header)}")
    return reading.target


def _targets_of_table(name: str, reading: ReadOptions) -> str | tuple[str, ...]:
    """Return the target of the table at the path ``name``, or several, which may be separated by commas."""
    target = checked_target(name, reading)
    if isinstance(target, str) and "," in target and target not in CSVFile(name, reading.header).names:
        return tuple(one.strip() for one in target.split(","))
    return target


def read_known_splits(
    name: str,
    stage: TableStage,
    classes: Sequence[str] | None,
    split_seed: int = 0,
    reading: ReadOptions | None = None,
) -> Splits:
    """Return the table at the path ``name`` with the columns of a model that was trained on it, split as by ``read_splits``.

    So the table of a run of an earlier version, which chose other columns, is still the data of its model. The target, the
    header and the treatment of missing values are those of ``reading``, as far as it has them: in runs of earlier versions that
    started from another model, the input stage has those of that model.
    """
    if reading is not None:
        stage = _with_options(name, stage, reading)
    return _complete_splits(name, {"train": read_rows(name, stage, classes, labelled=True, warn=False)}, split_seed)


def _with_options(name: str, stage: TableStage, reading: ReadOptions) -> TableStage:
    """Return the input stage with the target, the header and the treatment of missing values of a run."""
    target, targets = stage.target, stage.targets
    if reading.target is not None:
        given = _targets_of_table(name, reading)
        names = (given,) if isinstance(given, str) else given
        if names != tuple(column.name for column in stage.target_columns):
            target, targets = ", ".join(names), tuple(map(Column, names)) if len(names) > 1 else ()
    return stage.for_table(reading.missing or stage.missing, target, reading.header, targets)


def _read_series(name: str, reading: ReadOptions, horizon: int) -> Splits:
    """Return the series in the table at the path ``name``, split in time into 80, 10 and 10 %."""
    allowed = ("target", "missing", "ignore", "header", "horizon", "window", "time", "season")
    reading.check_options(allowed, "series, which --horizon selects")
    if reading.target is None:
        raise ConfigError(f"{name}: name the columns to forecast with --target a,b: {_column_names(name, reading.header)}")
    window = reading.window or max(WINDOW * horizon, reading.season or 1)
    if reading.season is not None and reading.season > window:
        raise ConfigError(
            f"--season {reading.season}: the window of {window} rows has no value one season before; set --window"
        )
    return read_series(
        name,
        reading.target,
        window=window,
        horizon=horizon,
        time=reading.time,
        missing=reading.missing or "error",
        ignore=reading.ignore,
        header=reading.header,
    )


def read_text_splits(
    name: str,
    reading: ReadOptions,
    split_seed: int = 0,
    tokenizer: Tokenizer | None = None,
    context: int | None = None,
) -> Splits:
    """Return the text at the path ``name`` as windows, split by place, or as lines, split by the seed.

    The ``tokenizer`` and the ``context`` of a model take the place of those of the options.
    """
    reading.check_options(TEXT_OPTIONS, "text")
    choice = reading.tokens if tokenizer is None else tokenizer
    if reading.lines:
        if reading.context is not None:
            raise ConfigError("--context does not apply with --lines: samples are as long as the longest line")
        return read_lines(name, tokenizer=choice, split_seed=split_seed, context=context, encoding=reading.encoding)
    if split_seed:
        raise ConfigError("--split-seed does not apply to text in windows, which is split by place")
    return read_text(name, context or reading.context or CONTEXT, tokenizer=choice, encoding=reading.encoding)


def _complete_splits(name: str, sets: dict[str, Dataset], seed: int) -> Splits:
    """Return the sets as splits. Each missing set is taken from the training set and has a tenth of its samples."""
    n, origin = len(sets["train"]), sets["train"].origin or Origin()
    notes = list(origin.notes)
    for part in ("test", "validation"):
        if part in sets:
            notes += [f"{part}: {line}" for line in (sets[part].origin or Origin()).notes if line.startswith("broken")]
            continue
        if n < _MIN_SAMPLES:
            raise DataError(f"{name}: {n} samples are too few for three sets: at least {_MIN_SAMPLES} are needed")
        sets["train"], sets[part] = sets["train"].split(max(1, round(n / 10)), seed)
    if len(sets["test"]) < _FEW_TEST_SAMPLES:
        notes.append(f"test set  only {len(sets['test'])} samples: results on it are rough")
    skipped = tuple(file for data in dict.fromkeys(sets.values()) for file in (data.origin or Origin()).skipped)
    sets["train"].origin = dataclasses.replace(origin, notes=tuple(notes), skipped=tuple(dict.fromkeys(skipped)))
    stem = Path(os.path.abspath(name)).stem
    for part, data in sets.items():
        data.name = f"{stem} {part}"
    train, validation, test = (sets[part] for part in PARTS)
    return Splits(train, validation, test, stem, name, digest(train, validation, test))


def _split_folders(root: Path) -> dict[str, Path]:
    """Return the folder of each set, ``train`` first; for a folder that is not split, itself as ``train``."""
    found = {}
    for part, names in PARTS.items():
        folders = [root / name for name in names if os.path.isdir(root / name)]
        if len(folders) > 1:
            raise DataError(f"{root}: both {folders[0].name} and {folders[1].name} could be the {part} set")
        if folders:
            found[part] = folders[0]
    return found if "train" in found and len(found) > 1 else {"train": root}


def _column_names(name: str, header: bool) -> str:
    names = [column for column in CSVFile(name, header).names if column]
    return ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
