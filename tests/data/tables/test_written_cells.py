"""Cells as people write them: numbers with separators and signs, dates, many categories, identifiers, free text."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid.data import read_csv
from pellucid.data.tables.columns import Column
from pellucid.data.tables.dates import FORMS, ISO, parse_dates
from pellucid.data.tables.number_formats import parse_cell
from pellucid.data.tables.reading import read_rows
from pellucid.errors import ConfigError, DataError, DataWarning


@pytest.mark.parametrize(
    ("cell", "decimal", "value"),
    [
        ("1,234.50", ".", 1234.5),
        ("1.234,50", ",", 1234.5),
        ("1 234,5", ",", 1234.5),
        ("1\u202f234\u202f567", ".", 1234567),
        ("1'234.5", ".", 1234.5),
        ("€ 3.99", ".", 3.99),
        ("-$5", ".", -5),
        ("$-5", ".", -5),
        ("−12 %", ".", -12),
        ("12,5%", ",", 12.5),
        ("1.5e3", ".", 1500),
        ("CHF 1'000", ".", 1000),
        (".5", ".", 0.5),
        ("5.", ".", 5),
        ("12 kr", ".", 12),
        ("1,23,456", ".", None),
        ("0,123", ".", None),  # no group of thousands begins with 0
        ("1,2345", ".", None),
        ("12 apples", ".", None),
        ("€ 5 €", ".", None),
        ("--5", ".", None),
        ("- -5", ".", None),
        ("€", ".", None),
        ("", ".", None),
        ("1,234.567,8", ".", None),
    ],
)
def test_numbers_with_separators_and_signs(cell, decimal, value):
    found = parse_cell(cell, decimal)
    assert (None if found is None else found[0]) == value


@pytest.fixture
def write(tmp_path):
    def write(columns, name="t.csv", separator=","):
        rows = zip(*columns.values(), strict=True)
        quoted = [separator.join(f'"{cell}"' for cell in row) for row in rows]
        (tmp_path / name).write_text("\n".join([separator.join(columns), *quoted]) + "\n")
        return tmp_path / name

    return write


N = 60
NUMBERS = 1000.5 + 37 * np.arange(N)
TARGET = [f"{value:.2f}" for value in NUMBERS / 7]


@pytest.mark.parametrize(
    ("cells", "separator", "decimal", "note"),
    [
        ([f"{value:,.2f}" for value in NUMBERS], ",", ".", "a (thousands separated by a comma)"),
        (
            [f"{value:,.1f}".translate(str.maketrans(",.", ".,")) for value in NUMBERS],
            ",",
            ",",
            "a (thousands separated by a point, a",
        ),
        ([f"{value:.1f}".replace(".", ",") for value in NUMBERS], ",", ",", "a (a decimal comma)"),
        ([f"$ {value:,.1f}" for value in NUMBERS], ";", ".", "a ($, thousands separated by a comma)"),
        ([f"{value:.1f} %" for value in NUMBERS], ",", ".", "a (%)"),
        ([f"{value:,.1f} €".replace(",", " ") for value in NUMBERS], "\t", ".", "a (€, thousands separated by a space)"),
    ],
)
def test_the_form_of_a_column_is_recognized_and_reported(write, cells, separator, decimal, note):
    data = read_csv(write({"a": cells, "y": TARGET}, separator=separator), "y")
    assert data.origin.columns == (Column("a", decimal=decimal),)
    np.testing.assert_array_equal(data.x[:, 0], NUMBERS)
    assert note in data.origin.notes[1]
    stage = data.input_stage()
    other = read_rows(write({"a": [cells[1], f"{NUMBERS[2]}", "NA"]}, "o.csv", separator), stage, None, labelled=False)
    np.testing.assert_array_equal(other.x[:, 0], [NUMBERS[1], NUMBERS[2], np.nan])  # a plain number is one as well


def test_a_column_that_begins_with_numbers_may_be_text_or_have_a_form(write):
    plain = [str(i) for i in range(300)]
    texts = [f"{i % 3}" for i in range(150)] + ["a", "b"] * 75
    numbers = [*plain[:299], "1,299"]
    mixed = plain[:150] + [f"part {i % 7}" for i in range(150)]
    target = [f"{i / 7:.3f}" for i in range(300)]
    data = read_csv(write({"k": plain, "t": texts, "n": numbers, "m": mixed, "y": target}), "y")
    assert data.origin.columns[:3] == (Column("k"), Column("t", ("0", "1", "2", "a", "b")), Column("n", decimal="."))
    assert data.x[-1, -1] == 1299
    assert "m (names or identifiers: 157 different texts in 300 rows)" in data.origin.notes[0]


def test_targets_have_forms_as_well(write):
    prices = [f"€ {value:,.0f}" for value in NUMBERS * 10]
    data = read_csv(write({"a": TARGET, "price": prices}), "price")
    np.testing.assert_array_equal(data.y, np.round(NUMBERS * 10))
    assert "numbers from 10005 to 31835, €, thousands separated by a comma (regression" in data.origin.notes[1]
    again = read_rows(write({"a": ["5"], "price": ["€ 2,500"]}, "o.csv"), data.input_stage(), None)
    np.testing.assert_array_equal(again.y, [2500])


def test_a_few_other_texts_are_mistakes_with_their_line(write):
    cells = [f"$ {value:,.1f}" for value in NUMBERS]
    cells[40] = "call us"
    with pytest.raises(
        DataError, match=r"t\.csv:42: a is a column of numbers, but has 'call us' here \(1 of 60 cells are not numbers"
    ):
        read_csv(write({"a": cells, "y": TARGET}), "y")
    days = [f"{1 + i % 28}.1.2024" for i in range(N)]
    days[3] = "32.1.2024"
    with pytest.raises(DataError, match=r"t\.csv:5: d is a column of dates \(day\.month\.year\), but has '32\.1\.2024' here"):
        read_csv(write({"d": days, "y": TARGET}), "y")
    good = read_csv(write({"a": [f"$ {value:,.1f}" for value in NUMBERS], "y": TARGET}), "y")
    with pytest.raises(DataError, match=r"o\.csv:3: a must be a number, got 'call us': correct this cell, or leave it empty"):
        read_rows(write({"a": ["$ 1,000", "call us"]}, "o.csv"), good.input_stage(), None, labelled=False)


@pytest.mark.parametrize(
    ("cell", "form", "parts"),
    [
        ("1970-01-02", ISO, (1, 1, 2, 4, 0)),
        ("2024-02-29 12:30", ISO, (19782 + 12.5 / 24, 2, 29, 3, 12.5)),
        ("2024-02", ISO, (19754, 2, 1, 3, 0)),
        ("2024-02-29T00:00:00+00:00", ISO, (19782, 2, 29, 3, 0)),
        ("29.2.2024", "day.month.year", (19782, 2, 29, 3, 0)),
        ("29/02/2024 6:15", "day/month/year", (19782 + 6.25 / 24, 2, 29, 3, 6.25)),
        ("02/29/2024", "month/day/year", (19782, 2, 29, 3, 0)),
        ("2024-02-29", "month/day/year", (19782, 2, 29, 3, 0)),  # ISO 8601 is understood everywhere
        ("30.2.2024", "day.month.year", None),
        ("02/29/2024", "day/month/year", None),
        ("soon", ISO, None),
    ],
)
def test_the_parts_of_dates(cell, form, parts):
    values, others = parse_dates([cell], form)
    if parts is None:
        assert others == [0]
    else:
        assert not others
        np.testing.assert_allclose(values[0], parts)


@pytest.mark.parametrize("form", FORMS)
def test_dates_become_the_parts_that_vary(write, form):
    patterns = {ISO: "2024-{1:02}-{0:02}", "day.month.year": "{0}.{1}.2024"}
    pattern = patterns.get(form, "{0:02}/{1:02}/2024" if form.startswith("day") else "{1:02}/{0:02}/2024")
    cells = [pattern.format(1 + i % 28, 1 + i % 7) for i in range(N)]
    cells[5] = ""
    data = read_csv(write({"sold": cells, "y": TARGET}), "y")
    assert data.origin.columns == (Column("sold", missing=True, date=form, parts=("days", "month", "day", "weekday")),)
    assert data.input_stage().names == ("sold (days)", "sold (month)", "sold (day)", "sold (weekday)", "sold is missing")
    np.testing.assert_array_equal(data.x[0], [19723, 1, 1, 0, 0])
    np.testing.assert_array_equal(data.x[5], [np.nan] * 4 + [1])
    assert data.origin.notes[1] == f"read as   sold ({form})"
    other = read_rows(write({"sold": ["2024-01-02", ""]}, "o.csv"), data.input_stage(), None, labelled=False)
    np.testing.assert_array_equal(other.x[:, 0], [19724, np.nan])


def test_many_categories_become_codes_and_rare_ones_the_code_0(write):
    random = np.random.default_rng(0)
    towns = random.choice([f"town {i:02}" for i in range(20)], 300).tolist()
    towns[7], towns[8], towns[9], towns[10] = "rare", "rare", "", "NA"
    data = read_csv(write({"town": towns, "y": (TARGET * 5)}), "y")
    (column,) = data.origin.columns
    assert (column.coded, column.missing, len(column.categories)) == (True, True, 20)
    assert data.input_stage().value_kinds == (22,)
    assert "1 of categories (town: 20 codes)" in data.origin.notes[0]
    assert data.x[7:11, 0].tolist() == [0, 0, 21, 21]
    assert data.x[0, 0] == 1 + column.categories.index(towns[0])
    with pytest.warns(
        DataWarning, match=r"town: 1 rows have unknown categories \('new'\), which have the code of rare categories"
    ):
        other = read_rows(write({"town": ["new", "town 03"]}, "o.csv"), data.input_stage(), None, labelled=False)
    assert other.x[:, 0].tolist() == [0, 4]


def test_identifiers_and_free_text_are_named_and_left_out(write):
    numbers = [str(i) for i in np.random.default_rng(0).permutation(N)]
    columns = {
        "customer_id": numbers,
        "PassengerId": numbers,
        "paid": numbers,
        "name": [f"name {i}" for i in range(N)],
        "comment": [f"the comment that has number {i}" for i in range(N)],
        "mostly_rare": [f"r{i // 2}" if i < 40 else f"s{i % 2}" for i in range(N)],
        "y": TARGET,
    }
    data = read_csv(write(columns), "y")
    assert [column.name for column in data.origin.columns] == ["paid"]
    note = data.origin.notes[0]
    for part in (
        "customer_id (an identifier: 60 different numbers in 60 rows)",
        "PassengerId (an identifier",
        "name (names or identifiers: 60 different texts in 60 rows)",
        "comment (free text: 60 different texts in 60 rows)",
        "mostly_rare (names or identifiers: 22 different texts in 60 rows, most of them rare)",
    ):
        assert part in note


def test_truth_values_have_any_case_of_letters(write):
    data = read_csv(write({"a": ["TRUE", "false", "true", "TRUE"], "y": TARGET[:4]}), "y")
    assert data.origin.columns[0].categories == ("TRUE", "false", "true")  # three different texts stay three categories
    data = read_csv(write({"a": ["true", "false", "true", "true"], "y": TARGET[:4]}), "y")
    other = read_rows(write({"a": ["True", "FALSE"]}, "o.csv"), data.input_stage(), None, labelled=False)
    np.testing.assert_array_equal(other.x, [[0, 1], [1, 0]])


def test_numbers_can_be_categories(write):
    data = read_csv(write({"zip": ["8010", "4020", "8010", "1010"], "y": TARGET[:4]}), "y", categorical="zip")
    assert data.origin.columns == (Column("zip", ("1010", "4020", "8010")),)
    with pytest.raises(ConfigError, match="has no column 'zap': did you mean 'zip'"):
        read_csv(write({"zip": ["8010", "4020"], "y": TARGET[:2]}), "y", categorical=["zap"])


def test_a_column_that_is_constant_but_for_gaps_keeps_its_indicator(write):
    data = read_csv(write({"pool": ["yes", "", "yes", ""], "one": ["1", "", "1", "1"], "y": TARGET[:4]}), "y")
    assert data.origin.columns == (Column("pool", ("yes",), missing=True), Column("one", missing=True))
    np.testing.assert_array_equal(data.x[:, [0, 1, 3]], [[1, 0, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0]])


def test_settings_of_columns_that_do_not_fit_are_refused():
    for settings in (
        {"decimal": "x"},
        {"date": "yesterday", "parts": ("days",)},
        {"date": ISO},
        {"parts": ("days",)},
        {"date": ISO, "parts": ("decade",)},
        {"coded": True},
        {"categories": ("a",), "decimal": "."},
    ):
        with pytest.raises(ConfigError):
            Column("a", **settings)
