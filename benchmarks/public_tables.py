"""Ten public tables that packages contain: where they come from, what is predicted, and how they are read.

The packages are scikit-learn, pydataset (a collection of the data sets of R packages) and vega_datasets; nothing is downloaded.
Each file is read from its package without importing it. The names of the tables and their facts need only the standard library.

Each table has a role, which is the rule for choices: a recipe, a threshold or a default may be chosen on the tables for
*development*; on those that are *held back* it is only tried, and what they show changes nothing.
"""

from __future__ import annotations

import csv
import importlib.util
import io
import math
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

DEVELOPMENT, HELD_BACK = "development", "held-back"
ROLES = (DEVELOPMENT, HELD_BACK)
CLASSIFICATION, REGRESSION = "classification", "regression"
#: What stands for a missing value in these files: R's sign, and nothing.
MISSING = ("NA", "")
#: The archive of pydataset, and the folder of its CSV files there.
ARCHIVE, FOLDER = "resources.tar.gz", "resources/rdata/csv"
#: The seed of the rows that are drawn from tables of more rows than are used.
SAMPLE_SEED = 0


@dataclass(frozen=True)
class PublicTable:
    """A table, and what is predicted from its other columns.

    ``file`` is the name of the file in its ``package``, ``rows`` the number of rows that are used. ``left_out`` are columns
    that are no inputs: identifiers, and what is known only together with the target. With ``logarithm``, the logarithm of the
    target is predicted. ``complete`` drops all rows with missing values; otherwise only those without a target are dropped.
    If the file has more than ``rows`` rows and ``sample`` is set, that many are drawn. ``day`` is a column of dates that
    becomes two numbers, the month and the day of the year.
    """

    name: str
    package: str
    file: str
    rows: int
    task: str
    target: str
    role: str
    about: str
    source: str
    licence: str
    left_out: tuple[str, ...] = ()
    logarithm: bool = False
    complete: bool = False
    sample: bool = False
    day: str | None = None

    @property
    def classifies(self) -> bool:
        """Whether the target is a class."""
        return self.task == CLASSIFICATION

    def missing_package(self) -> str | None:
        """Return the package of the table if it is not installed."""
        module = {"scikit-learn": "sklearn"}.get(self.package, self.package)
        return None if importlib.util.find_spec(module) else self.package


@dataclass(frozen=True)
class Columns:
    """The contents of a table: its input columns by name, and the target.

    A column of numbers is a list of floats (NaN is a missing value), one of categories is a list of texts (None is a missing
    value). The target is a list of floats, or of the indices of ``classes``.
    """

    inputs: dict[str, list[Any]]
    target: list[Any]
    classes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.target)

    @property
    def categories(self) -> list[str]:
        """The names of the columns of categories."""
        return [name for name, values in self.inputs.items() if not is_number(values)]

    @property
    def incomplete(self) -> list[str]:
        """The names of the columns with missing values."""
        return [name for name, values in self.inputs.items() if any(is_missing(value) for value in values)]

    def facts(self) -> dict[str, Any]:
        """Return the numbers of rows, columns, categories, missing values and classes."""
        return {
            "rows": len(self),
            "columns": len(self.inputs),
            "categories": len(self.categories),
            "most_values": max((len(set(self.inputs[name]) - {None}) for name in self.categories), default=0),
            "with_missing": len(self.incomplete),
            "classes": len(self.classes),
        }


R = "pydataset states MIT for itself, and names no licence of its data"
TABLES = {
    table.name: table
    for table in (
        PublicTable(
            "diamonds",
            "pydataset",
            "ggplot2/diamonds.csv",
            6_000,
            REGRESSION,
            "price",
            DEVELOPMENT,
            "the logarithm of the price of a diamond",
            "R package ggplot2",
            f"MIT (ggplot2); {R}",
            logarithm=True,
            sample=True,
        ),
        PublicTable(
            "computers",
            "pydataset",
            "Ecdat/Computers.csv",
            6_259,
            REGRESSION,
            "price",
            DEVELOPMENT,
            "the price of a personal computer in the USA, 1993 to 1995",
            "R package Ecdat; Stengos and Zacharias, 2006, Journal of Applied Econometrics",
            f"GPL-2 or later (Ecdat); {R}",
        ),
        PublicTable(
            "wages",
            "pydataset",
            "Ecdat/Males.csv",
            3_115,
            REGRESSION,
            "wage",
            DEVELOPMENT,
            "the logarithm of the hourly wage of young men in the USA, 1980 to 1987; one row for each man and year",
            "R package Ecdat; Vella and Verbeek, 1998, Journal of Applied Econometrics 13",
            f"GPL-2 or later (Ecdat); {R}",
            left_out=("nr",),
            complete=True,
        ),
        PublicTable(
            "diabetes",
            "scikit-learn",
            "diabetes",
            442,
            REGRESSION,
            "target",
            DEVELOPMENT,
            "the progression of diabetes one year later",
            "Efron, Hastie, Johnstone and Tibshirani, 2004, Annals of Statistics 32",
            "BSD-3-Clause (scikit-learn)",
        ),
        PublicTable(
            "companies",
            "pydataset",
            "HSAUR/Forbes2000.csv",
            2_000,
            REGRESSION,
            "marketvalue",
            HELD_BACK,
            "the logarithm of the market value of a large company, from its country, branch, sales, profits and assets",
            "R package HSAUR; forbes.com, 2004",
            f"GPL (HSAUR); {R}",
            left_out=("rank", "name"),
            logarithm=True,
        ),
        PublicTable(
            "titanic",
            "pydataset",
            "COUNT/titanic.csv",
            1_316,
            CLASSIFICATION,
            "survived",
            DEVELOPMENT,
            "whether a passenger survived; three columns with 2 or 3 values",
            "R package COUNT; Hilbe, 2014, Modeling Count Data",
            f"GPL-2 (COUNT); {R}",
        ),
        PublicTable(
            "breast-cancer",
            "scikit-learn",
            "breast_cancer",
            569,
            CLASSIFICATION,
            "target",
            DEVELOPMENT,
            "whether a tumour is benign, from measurements of cell nuclei",
            "Wolberg, Mangasarian, Street and Street, 1993, UCI Machine Learning Repository",
            "CC BY 4.0 (UCI), BSD-3-Clause (scikit-learn)",
        ),
        PublicTable(
            "votes",
            "pydataset",
            "car/Chile.csv",
            2_532,
            CLASSIFICATION,
            "vote",
            DEVELOPMENT,
            "the intended vote in Chile's plebiscite of 1988: yes, no, undecided or abstain",
            "R package car; FLACSO/Chile, in Fox, 2008, Applied Regression Analysis",
            f"GPL-2 or later (car); {R}",
        ),
        PublicTable(
            "mortality",
            "pydataset",
            "survival/flchain.csv",
            7_874,
            CLASSIFICATION,
            "death",
            HELD_BACK,
            "whether a person of 50 or more died within the years of a study, from age, sex and blood values",
            "R package survival; Dispenzieri and others, 2012, Mayo Clinic Proceedings 87",
            f"LGPL-2 or later (survival); {R}",
            left_out=("futime", "chapter", "flc.grp"),
        ),
        PublicTable(
            "weather",
            "vega_datasets",
            "seattle-weather.csv",
            1_461,
            CLASSIFICATION,
            "weather",
            HELD_BACK,
            "the weather of a day in Seattle, 2012 to 2015: sun, fog, rain, drizzle or snow",
            "NOAA, in vega_datasets",
            "public domain (NOAA)",
            day="date",
        ),
    )
}


@cache
def load(name: str) -> Columns:
    """Return the contents of the table of this name."""
    table = TABLES[name]
    if table.package == "scikit-learn":
        return _from_scikit_learn(table)
    path = _folder(table.package)
    if table.package == "pydataset":
        with tarfile.open(path / ARCHIVE) as archive:
            found = archive.extractfile(f"{FOLDER}/{table.file}")
            assert found is not None
            text = found.read().decode()
    else:
        text = (path / "_data" / table.file).read_text(encoding="utf-8")
    return columns_of(table, text)


def columns_of(table: PublicTable, text: str) -> Columns:
    """Return the contents of a table from the text of its CSV file. A column without a name is the number of the row."""
    header, *rows = csv.reader(io.StringIO(text))
    kept = [place for place, name in enumerate(header) if name and name not in table.left_out]
    target = header.index(table.target)
    rows = [row for row in rows if row[target] not in MISSING]
    if table.complete:
        rows = [row for row in rows if not any(row[place] in MISSING for place in kept)]
    if table.sample and table.rows < len(rows):
        rows = [rows[place] for place in drawn(len(rows), table.rows)]
    inputs: dict[str, list[Any]] = {}
    for place in kept:
        cells = [row[place] for row in rows]
        if place == target:
            continue
        if header[place] == table.day:
            days = [date.fromisoformat(cell[:10].replace("/", "-")) for cell in cells]
            inputs["month"] = [float(day.month) for day in days]
            inputs["day of the year"] = [float(day.timetuple().tm_yday) for day in days]
        else:
            inputs[header[place]] = column_of(cells)
    return Columns(inputs, *_target(table, [row[target] for row in rows]))


def column_of(cells: Sequence[str]) -> list[Any]:
    """Return numbers if all cells are numbers or missing, and texts otherwise."""
    try:
        return [math.nan if cell in MISSING else float(cell) for cell in cells]
    except ValueError:
        return [None if cell in MISSING else cell for cell in cells]


def drawn(n: int, size: int) -> list[int]:
    """Return ``size`` of the numbers from 0 to n − 1 in their order, always the same ones."""
    import numpy as np

    return sorted(np.random.default_rng(SAMPLE_SEED).permutation(n)[:size].tolist())


def is_number(values: Sequence[Any]) -> bool:
    """Return whether a column is one of numbers."""
    return all(isinstance(value, float) for value in values)


def is_missing(value: Any) -> bool:
    """Return whether a value is None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _target(table: PublicTable, cells: Sequence[str]) -> tuple[list[Any], list[str]]:
    if table.classifies:
        classes = sorted(set(cells))
        return [classes.index(cell) for cell in cells], classes
    values = [float(cell) for cell in cells]
    return [math.log(value) for value in values] if table.logarithm else values, []


def _from_scikit_learn(table: PublicTable) -> Columns:
    from sklearn import datasets

    found = getattr(datasets, f"load_{table.file}")()
    inputs = {str(name): values.tolist() for name, values in zip(found.feature_names, found.data.T, strict=True)}
    if table.classifies:
        return Columns(inputs, found.target.tolist(), [str(name) for name in found.target_names])
    return Columns(inputs, found.target.tolist())


def _folder(package: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed", name=package)
    return Path(spec.submodule_search_locations[0])
