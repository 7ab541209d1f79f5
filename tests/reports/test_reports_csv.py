"""Public reports about oddities of CSV files: what users did, and what happens here."""

from __future__ import annotations

import numpy as np
import pytest

from pellucid import DataError
from pellucid.data import read_csv

ROWS = [(f"{2 + i * 0.25:.2f}", "Graz" if i % 3 else "Wien", "yes" if i % 2 else "no") for i in range(24)]


def table(separator: str = ",", header: str = "area{0}city{0}sold", end: str = "\n", last: str = "") -> str:
    """A table of 24 rows with two columns and a target."""
    lines = [header.format(separator), *(separator.join(row) + last for row in ROWS)]
    return end.join(lines) + end


@pytest.fixture
def read(tmp_path):
    """Read a text as a table, without warnings, with the columns area and city."""

    def read(text: str | bytes):
        (tmp_path / "t.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        data = read_csv(tmp_path / "t.csv", "sold")
        assert [column.name for column in data.origin.columns] == ["area", "city"]
        return data

    return read


@pytest.fixture
def plain(read):
    """The table without oddities."""
    return read(table())


def check_equal(data, plain) -> None:
    assert np.array_equal(data.x, plain.x, equal_nan=True)
    assert np.array_equal(data.y, plain.y)
    assert data.classes == plain.classes == ("no", "yes")


@pytest.mark.parametrize(("line", "separator"), [("sep=|", "|"), ("SEP=;", ";"), ('"sep=,"', ","), ("sep=\t", "\t")])
def test_a_first_line_that_names_the_separator(read, plain, line, separator):
    """A file that begins with "sep=|", as spreadsheets write it, is read as a table with the column "sep=".

    Source: pandas-dev/pandas#47303. Right: the separator is used, and the line is no row.
    """
    for end in ("\n", "\r\n"):
        check_equal(read(line + end + table(separator, end=end)), plain)
        check_equal(read(b"\xef\xbb\xbf" + (line + end + table(separator, end=end)).encode()), plain)
    wrong = table(separator, end="\n").replace("\n2.25", "\nx,y,z,1,2,3\n2.25") if separator == "," else None
    if wrong is not None:  # lines are counted in the file
        with pytest.raises(DataError, match=r"t\.csv:4: 6 fields"):
            read(line + "\n" + wrong)


def test_separators_at_the_end_of_the_lines(read, plain):
    """Rows with one more separator than the header shift all columns by one, silently.

    Source: pandas-dev/pandas#41304. Right: an empty cell after the last column is none, if all rows have it; a full one is an
    error.
    """
    check_equal(read(table(last=",")), plain)
    check_equal(read(table(header="area,city,sold,", last=",")), plain)
    check_equal(read(table(header="area,city,sold,")), plain)
    with pytest.raises(DataError, match=r"t\.csv:2: 4 fields, but the table has 3 columns"):
        read(table(last=",1"))


def test_empty_rows_at_the_end(read, plain):
    """The last line of a table has no values; it becomes a row of NaN, on which the conversion of the labels fails.

    Source: tensorflow/tensorflow#5024. Right: at the end, rows of empty cells are no rows, whether they have separators or
    spaces.
    """
    for end in ("\n\n", ",,\n,,\n", " , ,\n", "   \n", "\n,,\n\n"):
        check_equal(read(table() + end), plain)
    check_equal(read("\n  \n" + table()), plain)


def test_spaces_before_quotes(read, plain):
    """In 'name3, "country, 3"' the quotes are taken for text, as they come after a space, and the cell is cut at its comma.

    Source: python/cpython#117286. Right: a space after a separator is not part of the cell.
    """
    quoted = "\n".join(", ".join(f'"{cell}"' for cell in row) for row in [("area", "city", "sold"), *ROWS])
    check_equal(read(quoted), plain)
    with_comma = quoted.replace('"Graz"', '"Graz, Austria"')
    assert read(with_comma).origin.columns[1].categories == ("Graz, Austria", "Wien")


def test_cells_of_many_characters(read):
    """A long text in a column: "_csv.Error: field larger than field limit (131072)".

    Source: ufal/neuralmonkey#512. Right: it is read; a missing quotation mark is an error that says so.
    """
    assert len(read(table() + "9.0," + 200_000 * "x" + ",no\n")) == 25


def test_the_errors_of_a_spreadsheet(read):
    """A column with "#VALUE!" in a few cells, where a formula has failed, becomes a column of text.

    Source: biolab/orange3#5172. Right: such cells are missing values, and the column is one of numbers.
    """
    for error in ("#VALUE!", "#DIV/0!", "#N/A", "<NA>"):
        data = read(table() + f"{error},Graz,no\n")
        assert data.x.shape == (25, 4)  # the number, whether it is missing, and two categories
        assert np.isnan(data.x[24, 0])
        assert np.isnan(data.x[:24]).sum() == 0


def test_line_ends_and_marks_of_other_systems(read, plain):
    """The byte order mark of a file in UTF-8, and a quotation mark, become part of the name of its first column.

    Source: pandas-dev/pandas#13497. Right: marks and line ends of any system make no difference.
    """
    quoted = table(header='"area"{0}"city"{0}sold')
    check_equal(read(b"\xef\xbb\xbf" + quoted.encode()), plain)
    check_equal(read(table(end="\r\n")), plain)
    check_equal(read(table(end="\r")), plain)
    check_equal(read(b"\xef\xbb\xbf" + table().encode()), plain)
    lines = read(table().replace("Wien", '"Wien\nVienna"'))
    assert np.array_equal(lines.x, plain.x)
    assert lines.origin.columns[1].categories == ("Graz", "Wien\nVienna")
