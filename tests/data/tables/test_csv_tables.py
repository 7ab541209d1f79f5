"""Tables: the types of their columns, the notes about them, errors, and the input stage of a model."""

from __future__ import annotations

import csv
import dataclasses
import tempfile

import numpy as np
import pytest

from pellucid import Adam, Dense, MeanSquaredError, Model, ReLU, Rescale, Sequential
from pellucid.data import read_csv
from pellucid.data.tables.columns import Column, Standardization, fit_standardization
from pellucid.data.tables.csv_file import CSVFile, check_names, positions_of
from pellucid.data.tables.reading import read_rows
from pellucid.data.tables.robust_scaling import RobustScaling
from pellucid.errors import ConfigError, DataError, DataWarning, FileError, PellucidError
from pellucid.kernels import load

SMALL = "city,area,rooms,price\nGraz,50.5,2,100.5\nLinz,70,3,150\nGraz,65,3,140.25\nWien,80,4,250\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="t.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


def test_numbers_and_categories_as_inputs_and_a_numeric_target(write):
    data = read_csv(write(SMALL), "price")
    wanted = [[1, 0, 0, 50.5, 2], [0, 1, 0, 70, 3], [1, 0, 0, 65, 3], [0, 0, 1, 80, 4]]
    np.testing.assert_array_equal(data.x, wanted)
    np.testing.assert_array_equal(data.y, [100.5, 150, 140.25, 250])
    assert (data.x.dtype, data.y.dtype, data.classes, data.name) == (np.float64, np.float64, None, "t")
    assert data.origin.columns == (Column("city", ("Graz", "Linz", "Wien")), Column("area"), Column("rooms"))
    columns, target = data.origin.notes
    assert columns == "columns   2 of numbers, 1 of categories (city: 3)"
    assert target == "target    price: numbers from 100.5 to 250 (regression)"


@pytest.mark.parametrize(
    "text",
    [
        SMALL,
        SMALL.replace(",", "\t"),
        SMALL.replace(",", "|"),
        SMALL.replace(",", ";"),
        SMALL.replace(",", ";").replace(".", ","),  # as spreadsheets write it in much of Europe
        "\ufeff" + SMALL,
        SMALL.replace("\n", "\r\n"),
        SMALL.replace("Linz", '"Linz"').replace("70", '" 70 "'),
        SMALL.replace("\nLinz", "\n\nLinz"),
    ],
    ids=["comma", "tab", "bar", "semicolon", "decimal comma", "byte order mark", "CRLF", "quotes", "empty line"],
)
def test_variants_of_the_same_table_are_read_alike(write, text):
    same, wanted = read_csv(write(text), "price"), read_csv(write(SMALL, "other.csv"), "price")
    np.testing.assert_array_equal(same.x, wanted.x)
    np.testing.assert_array_equal(same.y, wanted.y)
    assert same.origin == wanted.origin


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_of_utf_16_names_the_encoding(write, encoding):
    text = "\ufeffsep=\t\r\n" + SMALL.replace("Graz", "Zürich").replace(",", "\t").replace("\n", "\r\n")  # "Unicode text"
    same, wanted = read_csv(write(text, encoding=encoding), "price"), read_csv(write(SMALL, "other.csv"), "price")
    np.testing.assert_array_equal(same.x, wanted.x[:, [1, 2, 0, 3, 4]])
    assert same.origin.columns[0] == Column("city", ("Linz", "Wien", "Zürich"))


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        ("city", None, ("Graz", "Linz", "Wien")),
        ("rooms", None, ("2", "3", "4")),
        ("rooms", "regression", None),
        ("price", None, None),
        ("price", "classification", ("100.5", "140.25", "150", "250")),
    ],
)
def test_the_task_follows_from_the_target_unless_it_is_given(write, target, task, classes):
    data = read_csv(write(SMALL), target, task=task)
    assert data.classes == classes
    assert data.y.dtype == (np.float64 if classes is None else np.int64)
    if target == "rooms":
        np.testing.assert_array_equal(data.y, [2, 3, 3, 4] if classes is None else [0, 1, 1, 2])


GAPS = "a,b,c,y\n1,u,5,0\n,v,6,1\n3,NA,7,0\n5,u,null,1\n7,v,8,?\n9,u,9,1\n"


def test_missing_values_are_an_error_that_counts_them(write):
    with pytest.raises(DataError, match=r"y \(1 of 6\), a \(1 of 6\), b \(1 of 6\), c \(1 of 6\): missing='value'"):
        read_csv(write(GAPS), "y", missing="error")


def test_missing_values_are_values_of_their_own(write):
    data = read_csv(write(GAPS), "y")
    assert data.origin.columns == (Column("a", missing=True), Column("b", ("u", "v"), missing=True), Column("c", missing=True))
    nan = np.nan
    np.testing.assert_array_equal(
        data.x,
        [
            [1, 0, 1, 0, 0, 5, 0],
            [nan, 1, 0, 1, 0, 6, 0],
            [3, 0, 0, 0, 1, 7, 0],
            [5, 0, 1, 0, 0, nan, 1],
            [9, 0, 1, 0, 0, 9, 0],
        ],
    )
    assert data.origin.notes[2] == "missing   y (1 of 6), a (1 of 6), b (1 of 6), c (1 of 6); values of their own"
    stage = data.input_stage()
    assert stage.names == ("a", "a is missing", "b=u", "b=v", "b is missing", "c", "c is missing")
    assert stage.value_kinds == ("number", *["binary"] * 4, "number", "binary")
    seen = stage.transform(data.x, slice(0, 5), np.empty(data.x.shape, np.float32), load())
    np.testing.assert_array_equal(seen[1, :2], [0, 1])  # the median, and the indicator
    other = read_rows(write("c,b,a\n6,w,\n", "o.csv"), dataclasses.replace(stage), data.classes, labelled=False)
    np.testing.assert_array_equal(other.x, [[nan, 1, 0, 0, 0, 6, 0]])


def test_rows_with_missing_values_can_be_dropped(write):
    data = read_csv(write(GAPS), "y", missing="drop")
    np.testing.assert_array_equal(data.x, [[1, 1, 0, 5], [9, 1, 0, 9]])
    assert "left out  4 of 6 rows, because of missing values" in data.origin.notes


def test_missing_values_can_be_replaced_with_the_mean_of_the_training_set(write):
    data = read_csv(write(GAPS), "y", missing="mean")
    assert len(data) == 5  # a row without a target is always left out
    train = data.take([0, 1, 2])
    stage = train.input_stage()
    assert stage.mean == pytest.approx((2, 0.5, 0.5, 6))
    assert stage.scale == pytest.approx((1, 1, 1, np.sqrt(2 / 3)))  # that of one-hot columns stays 1
    x = data.x
    seen = stage.transform(x, slice(0, 5), np.empty(x.shape, np.float32), load())
    np.testing.assert_allclose(seen[1], [0, -0.5, 0.5, 0], atol=1e-6)
    np.testing.assert_allclose(seen[2], [1, 0, 0, 1 / np.sqrt(2 / 3)], atol=1e-6)
    np.testing.assert_allclose(seen[3], [3, 0.5, -0.5, 0], atol=1e-6)  # with the statistics of the training rows
    strict = fit_standardization(data.origin.columns, x, np.array([0]))
    with pytest.raises(DataError, match="sample 1, column a: fill the gap"):
        strict.check_values(x, None, load())


def test_the_standardization_is_exact_where_the_mean_is_large():
    random = np.random.default_rng(0)
    x = 1e8 + random.normal(size=(10_000, 2))
    rows = np.arange(0, 10_000, 2)
    stage = fit_standardization((Column("a"), Column("b")), x, rows)
    np.testing.assert_allclose(stage.mean, x[rows].mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(stage.scale, x[rows].std(axis=0), rtol=1e-7)


def test_useless_columns_are_left_out_and_named(write):
    lines = [f"{i},n{i},same,{i % 3},{i % 2},," for i in range(30)]
    text = "x,name,const,k,y,empty,\n" + "\n".join(lines) + "\n"
    data = read_csv(write(text), "y", ignore=["k"])
    assert [column.name for column in data.origin.columns] == ["x"]
    note = data.origin.notes[0]
    for part in (
        "name (names or identifiers: 30 different texts in 30 rows)",
        "const (always same)",
        "empty (empty)",
        "a column with",
        "k (ignored)",
    ):
        assert part in note
    with pytest.raises(DataError, match="no column can be used as an input; left out: name"):
        read_csv(write(text), "y", ignore=["k", "x"])


def test_a_table_without_a_header(write):
    data = read_csv(write(SMALL.split("\n", 1)[1]), "4", header=False)
    assert [column.name for column in data.origin.columns] == ["1", "2", "3"]
    assert len(data) == 4


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "is empty"),
        ("a,y\n", {}, "has column names but no rows"),
        ("y\n1\n2\n", {}, "has only one column"),
        ("a,a,y\n1,2,3\n", {}, "two columns have the name 'a'"),
        ("1,2,3\n1,2,3\n", {}, "the first line has numbers instead of names; .*header=False"),
        ("a,yy\n1,2\n3,4\n", {}, "has no column 'y': did you mean 'yy'"),
        ("a,y\n1,2\n3\n", {}, r":3: 1 field, but the table has 2 columns"),
        ("a,y\n1,2\n3,4,5\n", {}, r":3: 3 fields"),
        ("a,y\n1,2\n3,inf\n", {}, r":3: y is inf"),
        ("a,y\n1,2\n2,2\n", {}, "the target y is always 2"),
        ("a,y\n1,\n2,\n", {}, "has no values"),
        ("a,y\n1,u\n2,v\n", {"task": "regression"}, r"contains text \('u' in line 2\), but regression predicts numbers"),
        ("a,y\n1,2\n2,3\n", {"task": "guess"}, "task='guess'"),
        ("a,y\n1,2\n2,3\n", {"missing": "zero"}, "missing='zero'"),
        ("a,y\n1,2\n2,3\n", {"ignore": "y"}, "cannot be both the target and ignored"),
        ("a,b,y\n1,,0\n2,,1\n,2,1\n,3,0\n", {"missing": "drop"}, "every row has a missing value"),
        ("a,y\n" + "".join(f"{i},t{i}\n" for i in range(40)), {}, "40 different values in 40 rows, too many for classes"),
        ("a,y\n" + "1,2\n" * 20 + "oops,3\n", {}, r":22: a is a column of numbers, but has 'oops' here \(1 of 21"),
        (b"\xff\xfea\x00,\x00y", {}, "not a text in UTF-16"),
        ("a,y\n1,2\n2,3\n".encode("utf-32"), {}, "not a text in UTF-8"),
        (b"a,y\n1,\xe4\n", {}, "not a text in UTF-8"),
        ('a,y\n1,"' + "x" * (17 << 20), {}, "a cell has more than 16,777,216 characters; is a quotation mark missing"),
    ],
)
def test_unusable_tables_are_refused(write, text, options, message):
    with pytest.raises(PellucidError, match=message):
        read_csv(write(text), "y", **options)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(FileError, match="there is no such file"):
        read_csv(tmp_path / "no.csv", "y")
    with pytest.raises(FileError, match="expected a file, got a folder"):
        read_csv(tmp_path, "y")


def test_texts_that_python_would_read_as_numbers_stay_texts(write):
    data = read_csv(write("month,y\n2024_01,1\n2024_02,2\n2024_01,1\n"), "y")
    assert data.origin.columns == (Column("month", ("2024_01", "2024_02")),)


def test_a_table_is_a_memory_map_and_is_split_without_being_read(write):
    random = np.random.default_rng(0)
    x = random.normal(size=(5000, 2)).round(4)  # more than two blocks
    data = read_csv(write("a,b,y\n" + "".join(f"{a},{b},{a > b:d}\n" for a, b in x)), "y")
    assert isinstance(data.source_x, np.memmap)
    np.testing.assert_array_equal(data.x, x)
    splits = data.splits(seed=3)
    assert splits.sizes == {"train": 4000, "validation": 500, "test": 500}
    assert splits.test.source_x is data.source_x
    rows = [part.rows for part in (splits.train, splits.validation, splits.test)]
    assert sorted(np.concatenate(rows).tolist()) == list(range(5000))
    assert splits.sha256 == data.splits(seed=3).sha256 != data.splits(seed=4).sha256


def test_large_numbers_keep_their_differences(write):
    """In float32, the neighbours of 1.7e9 are 128 apart."""
    times = 1.7e9 + np.arange(400) / 4
    data = read_csv(write("time,y\n" + "".join(f"{t},{t + 0.125}\n" for t in times)), "y")
    np.testing.assert_array_equal(data.x[:, 0], times)
    np.testing.assert_array_equal(data.y, times + 0.125)
    stage = data.take(np.arange(0, 400, 2)).input_stage()
    seen = stage.transform(data.source_x, slice(0, 400), np.empty((400, 1), np.float32), load())[:, 0]
    z = (times - np.median(times[::2])) / 50  # the quartiles of 200 equal steps of ½
    np.testing.assert_allclose(seen, z / np.sqrt(1 + (z / 3) ** 2), rtol=1e-6, atol=1e-7)
    other = read_rows(write(f"time,y\n{times[3]},{times[3]}\n", "o.csv"), stage, None)
    assert (other.x[0, 0], other.y[0]) == (times[3], times[3])


def test_several_targets_are_numbers_that_are_predicted_together(write):
    data = read_csv(write(SMALL), ["area", "price"])
    np.testing.assert_array_equal(data.y, [[50.5, 100.5], [70, 150], [65, 140.25], [80, 250]])
    assert [column.name for column in data.origin.columns] == ["city", "rooms"]
    assert data.origin.notes[1:] == (
        "target    area: numbers from 50.5 to 80 (regression)",
        "target    price: numbers from 100.5 to 250 (regression)",
    )
    stage = data.input_stage()
    assert [column.name for column in stage.target_columns] == ["area", "price"]
    other = read_rows(write("price,rooms,city,area\n7,2,Linz,5\n", "o.csv"), stage, None)
    np.testing.assert_array_equal(other.y, [[5, 7]])
    for target, message in [([], "expected the name of a column"), (["area", "area"], "several different names")]:
        with pytest.raises(ConfigError, match=message):
            read_csv(write(SMALL), target)
    with pytest.raises(ConfigError, match=r"several targets \(area, price\) are predicted as numbers"):
        read_csv(write(SMALL), ["area", "price"], task="classification")
    with pytest.raises(DataError, match=r"the target city contains text"):
        read_csv(write(SMALL), ["city", "price"])


def test_names_that_are_numbers_are_still_names(write):
    data = read_csv(write("2019,2020,note\n3,a,x\n5,b,y\n4,a,z\n"), "2020", ignore=["note"])
    assert data.origin.header
    other = read_rows(write("2020,2019\na,7\n", "o.csv"), data.input_stage(), data.classes)
    np.testing.assert_array_equal(other.x, [[7]])
    assert other.y.tolist() == [0]
    old = Standardization((Column("1"),), (0.0,), (1.0,), target="2")  # from a file that does not say whether it had names
    np.testing.assert_array_equal(read_rows(write("8,9\n", "o.csv"), old, None, labelled=False).x, [[8]])


def test_the_columns_of_another_table_are_found_by_name(write):
    data = read_csv(write(SMALL), "price")
    stage = data.input_stage()
    with pytest.warns(DataWarning, match=r"o\.csv: city: 1 rows have unknown categories \('Bonn'\), for which all inputs"):
        other = read_rows(write("rooms,more,area,city\n3,x,70,Linz\n2,y,1,Bonn\n", "o.csv"), stage, None, labelled=False)
    np.testing.assert_array_equal(other.x, [[0, 1, 0, 70, 3], [0, 0, 0, 1, 2]])
    assert other.y is None
    for text, message in [
        ("rooms,aera,city\n3,70,Linz\n", "lacks the column 'area': did you mean 'aera'"),
        (
            "rooms,area,city\n3,old,Linz\n",
            r":2: area must be a number, got 'old': correct this cell, or leave it empty .* value$",
        ),
        (
            "rooms,area,city\n3,1,Linz\n3,old,Linz\n3,new,Linz\n3,2,Linz\n3,?,Linz\n3,new,Linz\n",
            ":3: area must be a number, got 'old' here and text in 2 more rows: correct these cells, or leave them empty",
        ),
        (
            'rooms,area,city\n3,"€ 1,200.50",Linz\n',
            r"got '€ 1,200\.50': .*; separators and signs are read in columns that have them in the training data: write",
        ),
    ]:
        with pytest.raises(PellucidError, match=message):
            read_rows(write(text, "o.csv"), stage, None, labelled=False)
    with pytest.raises(
        DataError, match=r":3: price must be a number, got 'ask': correct this cell, or leave it empty, and the"
    ):
        read_rows(write("rooms,area,city,price\n3,1,Linz,\n3,1,Linz,ask\n", "o.csv"), stage, None, labelled=True)
    gap = write("rooms,area,city\n3,1,Linz\n3,,Linz\n", "o.csv")
    strict = dataclasses.replace(stage, missing="error")
    with pytest.raises(DataError, match="row 2 has a missing value, and this model was trained without any"):
        read_rows(gap, strict, None, labelled=False)
    with pytest.warns(DataWarning, match=r"values are missing in area \(1 of 2\), which had none in training: the median"):
        assert np.isnan(read_rows(gap, stage, None, labelled=False).x[1, 3])


def test_columns_of_a_table_without_a_header_are_found_by_number(write):
    data = read_csv(write("1,2,kind\n3,4,a\n5,7,b\n"), "kind")
    other = read_rows(write("2,1\n9,8\n", "o.csv"), data.input_stage(), None, labelled=False)
    np.testing.assert_array_equal(other.x, [[8, 9]])


def test_a_model_file_stores_the_columns_of_the_table(write, tmp_path):
    random = np.random.default_rng(0)
    a, city = random.normal(2000, 50, 400), random.integers(0, 2, 400)
    price = 1e5 * ((a - 2000) / 50 + 2 * city)
    rows = [f"{x},{'ab'[c]},{y}\n" for x, c, y in zip(a, city, price, strict=True)]
    data = read_csv(write("year,city,price\n" + "".join(rows)), "price")
    deviation = float(data.y.std())
    network = Sequential(Dense(16), ReLU(), Dense(1), Rescale(deviation, float(data.y.mean())))
    model = network.compile(data.shape, MeanSquaredError(deviation), Adam(0.01))
    model.fit(data, epochs=30)
    assert model.evaluate(data)["loss"] < 0.02  # 0.0005 to 0.003 over five seeds; 1 for always predicting the mean
    model.save(tmp_path / "m.pellucid")
    loaded = Model.load(tmp_path / "m.pellucid")
    assert isinstance(loaded.input_stage, RobustScaling)
    assert loaded.input_stage == model.input_stage == data.input_stage()
    assert loaded.input_stage.names == ("year", "city=a", "city=b")
    np.testing.assert_array_equal(loaded.predict(data.x), model.predict(data.x))
    assert np.abs(loaded.predict(data.x)[:, 0] - data.y).mean() < 0.15 * deviation


def test_statistics_that_do_not_match_the_columns_are_refused():
    for wrong in [((1.0,), (1.0,)), ((1.0, 2.0, 3.0), (1.0, 0.0, 1.0))]:
        with pytest.raises(ConfigError):
            Standardization((Column("a"), Column("b", ("x", "y"))), *wrong)
        with pytest.raises(ConfigError):
            RobustScaling((Column("a"), Column("b", ("x", "y"))), *wrong)


def test_the_temporary_folder_stays_empty(write, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    data = read_csv(write(SMALL), "price")
    assert data.x[0, 3] == 50.5
    assert list((tmp_path / "tmp").iterdir()) == []


def cells_of(path, **options):
    """The rows of a file, without the meaning of their cells."""
    blocks = list(CSVFile(path, **options).blocks())
    return [list(row) for block in blocks for row in zip(*block.columns, strict=True)], [n for one in blocks for n in one.lines]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("y,a,b\n0,1,2\nu,1,5,\n", r":3: 4 fields, but the table has 3 columns$"),  # a decimal comma, and b is missing
        ("y,a,b\n0,1,2,\n1,1,2\n", r":3: 3 fields, but the table has 3 columns, and the first row has 4, the last one empty$"),
        ("y,a,b\n0,1,2,\n1,1,5,2\n", r":3: 4 fields, .* the last one empty$"),
        ("y,a,b,\n0,1,2\n1,1,5,2\n", r":3: 4 fields, but the table has 4 columns, and the first row has 3$"),
        ("y,a,b,\n0,1,2,\n1,1,5\n", r":3: 3 fields, but the table has 4 columns$"),
    ],
)
def test_a_separator_at_the_end_is_that_of_all_rows_or_of_none(write, text, message):
    with pytest.raises(DataError, match=message):
        cells_of(write(text))


def test_empty_rows_are_left_out_at_the_end_only(write):
    assert cells_of(write("a,b\n1,2\n , \n\n3,4\n,\n \n,,\n")) == ([["1", "2"], ["", ""], ["3", "4"]], [2, 3, 5])
    assert cells_of(write(",\n1,2\n,\n"), header=False) == ([["", ""], ["1", "2"]], [1, 2])
    assert cells_of(write("  \n,,\na,b\n1,2\n")) == ([["1", "2"]], [4])
    assert cells_of(write("a,b\n1,2,\n,,\n3,4,\n,,\n"))[0] == [["1", "2"], ["", ""], ["3", "4"]]
    assert cells_of(write('  \na\n1\n2\n""\n'), expected=["a"]) == ([["1"], ["2"], [""]], [3, 4, 5])
    with pytest.raises(DataError, match="is empty"):
        CSVFile(write("  \n,,\n"))
    stage = read_csv(write(SMALL), "price").input_stage()
    with pytest.warns(DataWarning, match="values are missing"):
        rows = read_rows(write("city,area,rooms\nGraz,1,2\n,,\nLinz,3,4\n", "o.csv"), stage, None, labelled=False)
    assert len(rows) == 3


def test_the_limit_on_cells_is_that_of_before_when_no_file_is_read(write):
    before = csv.field_size_limit()
    file = CSVFile(write("a,b\n1," + "x" * (1 << 18) + "\n" + "1,2\n" * 5000))
    first, second = file.blocks(), file.blocks()
    next(first)
    next(second)
    first.close()
    assert csv.field_size_limit() > before, "the second goes on"
    assert len(list(second)) == 2
    with pytest.raises(DataError):
        list(CSVFile(write("a,b\n1\n")).blocks())
    assert csv.field_size_limit() == before


def test_names_are_not_searched_one_by_one():
    """With 20,000 columns that takes seconds."""

    class Names(tuple):
        count = index = __contains__ = None

    names = Names(f"c{i}" for i in range(2000))
    check_names("t.csv", names)
    assert positions_of(names, ["c7", "c3"]) == {"c7": 7, "c3": 3}
    with pytest.raises(DataError, match=r"^t\.csv: two columns have the name 'a'$"):
        check_names("t.csv", Names("bbaac"))
