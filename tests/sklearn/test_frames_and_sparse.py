"""Samples of estimators as they come: data frames of mixed columns, missing values, categories, sparse matrices."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pellucid import Adam, BinaryCrossEntropy, Dense, ReLU, Sequential, Sigmoid
from pellucid.data import Dataset, from_arrays, read_csv
from pellucid.data.sparse import SparseMatrix
from pellucid.data.tables.columns import Column
from pellucid.doctor import diagnose_data
from pellucid.errors import ConfigError, DataError, DataWarning, ShapeError
from pellucid.sklearn import NetworkClassifier, NetworkRegressor

pandas = pytest.importorskip("pandas")

N = 120


@pytest.fixture
def frame():
    """Columns of all kinds, of which ``n`` and ``kind`` have gaps, and a target that follows from them."""
    random = np.random.default_rng(0)
    n, kind, flag = random.normal(size=N), random.choice(list("uvw"), N), random.random(N) < 0.5
    table = pandas.DataFrame(
        {
            "n": np.where(random.random(N) < 0.2, np.nan, n),
            "count": random.integers(0, 9, N),
            "flag": flag,
            "kind": pandas.Series(kind).where(random.random(N) > 0.1),
            "town": random.choice([f"town {i}" for i in range(12)], N),
            "nullable": pandas.array(random.integers(0, 5, N), "Int64"),
            "day": pandas.Timestamp("2024-01-01") + pandas.to_timedelta(random.integers(0, 400, N), "D"),
            "level": pandas.Categorical.from_codes(random.integers(0, 3, N), [10, 20, 30]),
        }
    )
    table.loc[5, "nullable"] = pandas.NA
    y = np.where((np.nan_to_num(n) > 0) ^ (kind == "u"), "yes", "no")
    return table, y


def test_a_frame_becomes_the_rows_of_its_csv_file_to_the_bit(frame, tmp_path):
    table, y = frame
    table.assign(y=y).to_csv(tmp_path / "t.csv", index=False)
    data = read_csv(tmp_path / "t.csv", "y", categorical="level")
    estimator = NetworkClassifier(recipe="plain", random_state=0, epochs=20).fit(table, y)
    assert estimator.columns_ == data.origin.columns
    stage = estimator.model_.input_stage
    assert stage.center == data.input_stage().center
    assert stage.value_kinds.count("number") == 3 + 5 - 1  # n, count, nullable; the parts of dates but for the hour
    assert [kind for kind in stage.value_kinds if isinstance(kind, int)] == [13]
    of_file = pandas.read_csv(tmp_path / "t.csv").drop(columns="y").astype({"level": "category"})
    again = NetworkClassifier(recipe="plain", random_state=0, epochs=20).fit(of_file, y)
    np.testing.assert_array_equal(again.model_.parameters, estimator.model_.parameters)
    np.testing.assert_array_equal(estimator._rows(table), data.x)
    trained = estimator.model_
    models = []
    for source in (data, from_arrays(table, y)):
        model = trained.network.compile(source.shape, trained.loss, trained.optimizer, seed=3)
        model.fit(source, epochs=3, batch_size=32)
        models.append(model)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    np.testing.assert_array_equal(models[0].predict(table), models[1].predict(models[1].read(tmp_path / "t.csv")))


def test_frames_are_predicted_from_by_the_rules_of_scikit_learn(frame):
    table, y = frame
    estimator = NetworkClassifier(recipe="plain", random_state=0, epochs=300, patience=None).fit(table, y)
    assert estimator.feature_names_in_.tolist() == list(table.columns)
    assert estimator.n_features_in_ == 8
    assert estimator.score(table, y) > 0.9
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(table[::-1].iloc[:, ::-1])
    unseen = table.assign(kind="new", town="elsewhere", n=np.nan)
    assert estimator.predict_proba(unseen).shape == (N, 2)
    np.testing.assert_array_equal(estimator.predict_proba(table.iloc[3:7]), estimator.predict_proba(table)[3:7])
    scores = cross_val_score(NetworkClassifier(random_state=0, epochs=5), table, y, cv=3)  # folds lack categories of others
    assert np.isfinite(scores).all()


def test_columns_without_use_are_left_out_with_a_warning(frame):
    table, y = frame
    more = table.assign(customer_id=np.arange(N), same=1, note=[f"a note with the number {i}" for i in range(N)])
    wanted = r"NetworkClassifier: columns that are left out: customer_id \(an identifier.*same \(always"
    with pytest.warns(DataWarning, match=wanted):
        estimator = NetworkClassifier(random_state=0, epochs=5).fit(more, y)
    assert estimator.n_features_in_ == 11
    assert [column.name for column in estimator.columns_] == list(table.columns)


@pytest.mark.parametrize("chosen", [["b"], [1], [False, True, False]])
def test_categorical_features_are_named_as_in_scikit_learn(chosen):
    random = np.random.default_rng(0)
    x = random.integers(0, 4, (80, 3)).astype(float)
    x[3, 1] = np.nan
    y = np.where(np.isin(x[:, 1], (0, 3)), 1, 0)
    table = pandas.DataFrame(x, columns=list("abc"))
    estimator = NetworkClassifier(random_state=0, epochs=5, categorical_features=chosen).fit(table, y)
    assert estimator.columns_ == (Column("a"), Column("b", ("0", "1", "2", "3"), missing=True), Column("c"))
    if chosen != ["b"]:
        of_array = NetworkClassifier(random_state=0, epochs=5, categorical_features=chosen).fit(x, y)
        np.testing.assert_array_equal(of_array.predict_proba(x), estimator.predict_proba(table))
        assert of_array.columns_[1].name == "x1"


def test_a_dtype_of_categories_can_be_ignored():
    table = pandas.DataFrame({"a": pandas.Categorical([1.0, 2.0, 3.0] * 20)})
    y = np.arange(60) % 2
    assert NetworkClassifier(epochs=1).fit(table, y).columns_ == (Column("a", ("1", "2", "3")),)
    assert NetworkClassifier(epochs=1, categorical_features=None).fit(table, y).columns_ == (Column("a"),)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ("all", "expected 'from_dtype', None"),
        (["d"], "there is no feature 'd'"),
        ([3], "indices must be from 0 to 2"),
        ([True], "the mask has 1 entries for 3 features"),
        ([["a"]], "expected 'from_dtype', None"),
    ],
)
def test_wrong_categorical_features_are_refused(chosen, message):
    table = pandas.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=list("abc"))
    with pytest.raises(ConfigError, match=message):
        NetworkClassifier(categorical_features=chosen).fit(table, np.arange(20) % 2)


def test_missing_values_of_arrays_have_indicators():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 2))
    x[random.random(200) < 0.4, 1] = np.nan
    y = 3.0 * np.isnan(x[:, 1]) + x[:, 0]
    estimator = NetworkRegressor(random_state=0, learning_rate=0.01).fit(x, y)
    assert estimator.columns_ == (Column("x0"), Column("x1", missing=True))
    assert estimator.score(x, y) > 0.97
    np.testing.assert_array_equal(estimator.model_.predict(x), estimator.model_.predict(estimator._rows(x)))
    x[0, 0] = np.nan  # a column that had none in training: its median
    assert np.isfinite(estimator.predict(x)).all()
    with pytest.raises(ValueError, match="infinity"):
        estimator.predict(np.where(np.isnan(x), np.inf, x))
    with pytest.raises(ValueError, match="NaN"):
        NetworkRegressor(standardize=False).fit(x, y)


def test_repeated_samples_with_gaps_equal_weighted_ones_bit_for_bit():
    random = np.random.default_rng(0)
    x = random.normal(size=(30, 3))
    x[random.random(x.shape) < 0.3] = np.nan
    y, w = random.normal(size=30), random.integers(1, 4, 30)
    weighted = NetworkRegressor(random_state=0, epochs=5, batch_size=200).fit(x, y, sample_weight=w)
    repeated = NetworkRegressor(random_state=0, epochs=5, batch_size=200).fit(np.repeat(x, w, axis=0), np.repeat(y, w))
    np.testing.assert_array_equal(weighted.model_.parameters, repeated.model_.parameters)


def test_pipelines_that_make_frames_keep_the_names(frame):
    table, y = frame
    numbers = table[["count", "n"]].fillna(0)
    pipeline = make_pipeline(StandardScaler(), NetworkClassifier(random_state=0, epochs=5)).set_output(transform="pandas")
    pipeline.fit(numbers, y)
    assert pipeline[-1].feature_names_in_.tolist() == ["count", "n"]
    mixed = make_column_transformer(
        (StandardScaler(), make_column_selector(dtype_include="number")),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    whole = make_pipeline(mixed, NetworkClassifier(random_state=0, epochs=5)).fit(table, y)
    assert "kind" in whole[-1].feature_names_in_
    assert whole.predict(table).shape == (N,)


def test_polars_frames_are_read_like_pandas_frames(frame):
    polars = pytest.importorskip("polars")
    table, y = frame
    plain = table.astype({"level": "int64", "kind": object})
    lists = {name: plain[name].astype(object).where(plain[name].notna(), None).to_list() for name in plain}
    of_polars = polars.DataFrame(lists)
    estimator = NetworkClassifier(random_state=0, epochs=5).fit(of_polars, y)
    same = NetworkClassifier(random_state=0, epochs=5).fit(plain[of_polars.columns], y)
    assert estimator.columns_ == same.columns_
    np.testing.assert_array_equal(estimator.predict_proba(of_polars), same.predict_proba(plain[of_polars.columns]))


def test_sparse_text_features_are_learned_without_becoming_dense():
    random = np.random.default_rng(0)
    words = [f"w{i}" for i in range(300)]
    texts = [" ".join(random.choice(words[c * 100 : c * 100 + 200], 30)) for c in (0, 1) for _ in range(150)]
    x = TfidfVectorizer().fit_transform(texts)
    y = np.repeat(["first", "second"], 150)
    estimator = NetworkClassifier(random_state=0, epochs=30, batch_size=50).fit(x[::2], y[::2])
    assert estimator.score(x[1::2], y[1::2]) > 0.95
    assert estimator.columns_ == tuple(Column(f"x{i}") for i in range(x.shape[1]))
    assert not x.has_sorted_indices  # sums in another order are rounded differently
    np.testing.assert_allclose(estimator.predict_proba(x), estimator.predict_proba(x.toarray()), atol=1e-6)
    np.testing.assert_array_equal(estimator.predict_proba(x.tocoo()), estimator.predict_proba(x.tocoo().tocsr()))
    stopped = NetworkClassifier(random_state=0, epochs=5, early_stopping=True).fit(x, y, sample_weight=np.r_[0, np.ones(299)])
    assert "validation_loss" in stopped.history_.columns
    stopped.partial_fit(x[:10], y[:10])


def test_a_sparse_matrix_gives_the_network_of_its_dense_rows():
    random = np.random.default_rng(0)
    x = scipy.sparse.random_array((90, 40), density=0.1, random_state=random, dtype=np.float32).tocsr()
    y = np.arange(90) % 2
    models = []
    for source in (x, x.toarray()):
        model = Sequential(Dense(8), ReLU(), Dense(1), Sigmoid()).compile((40,), BinaryCrossEntropy(), Adam(0.01))
        model.fit(source, y, epochs=4, batch_size=20, validation=(source[:20], y[:20]))
        models.append(model)
    np.testing.assert_array_equal(models[0].parameters, models[1].parameters)
    np.testing.assert_array_equal(models[0].predict(x), models[1].predict(x.toarray()))
    assert models[0].evaluate(x, y) == models[1].evaluate(x.toarray(), y)


def test_rows_of_a_sparse_matrix():
    dense = np.array([[0, 1.5, 0], [0, 0, 0], [2, 0, -3], [0, 0, 4]])
    matrix = SparseMatrix.of(scipy.sparse.csr_matrix(dense))
    assert (len(matrix), matrix.shape, matrix.ndim, matrix.dtype) == (4, (4, 3), 2, np.float64)
    np.testing.assert_array_equal(matrix.toarray(), dense)
    mask = np.array([True, False, True, False])
    for rows in (slice(1, 3), np.array([3, 0, 3]), np.array([-1, 2]), mask, np.array([], int), []):
        np.testing.assert_array_equal(matrix[rows].toarray(), dense[rows])
        np.testing.assert_array_equal(matrix.write(rows, np.full((len(dense[rows]), 3), 9.0)), dense[rows])
    parts = scipy.sparse.coo_matrix(([1.0, 2.0], ([0, 0], [1, 1])), (2, 2))  # an entry in two parts
    np.testing.assert_array_equal(SparseMatrix.of(parts).toarray(), [[0, 3], [0, 0]])
    assert SparseMatrix.of(scipy.sparse.csr_matrix(np.eye(2, dtype=int))).dtype == np.float32
    data = Dataset(scipy.sparse.csr_matrix(dense), [0, 1, 0, 1])
    assert data.shape == (3,)
    np.testing.assert_array_equal(np.asarray(data.x), dense)
    assert "4 × 3" in repr(data)
    assert "1.5" in data._repr_html_()
    assert diagnose_data(Dataset(scipy.sparse.csr_matrix(np.tile(dense, (9, 1))), np.arange(36) % 2)) is not None
    one, other = data.split(0.5)
    np.testing.assert_array_equal(np.sort(np.r_[one.x.toarray().sum(axis=1), other.x.toarray().sum(axis=1)]), [-1, 0, 1.5, 4])
    splits = [Dataset(scipy.sparse.csr_matrix(np.tile(dense, (5, 1))), np.arange(20) % 2).splits(0.2, 0.2) for _ in range(2)]
    assert splits[0].sha256 == splits[1].sha256
    for wrong, error in ((np.nan, DataError), (np.inf, DataError)):
        with pytest.raises(error, match="first in sample 2, column 0"):
            Dataset(scipy.sparse.csr_matrix(np.where(dense == 2, wrong, dense)), [0, 1, 0, 1])
    with pytest.raises(DataError, match="must hold numbers"):
        Dataset(scipy.sparse.csr_matrix(dense * 1j), [0, 1, 0, 1])
    with pytest.raises(ShapeError, match="rows of a sparse matrix"):
        matrix[2]


def test_the_tags_say_what_the_estimators_take():
    for kind in (NetworkClassifier, NetworkRegressor):
        tags = kind().__sklearn_tags__().input_tags
        assert (tags.allow_nan, tags.sparse) == (True, True)
        assert not kind(standardize=False).__sklearn_tags__().input_tags.allow_nan
        images = kind(image_shape=(2, 2)).__sklearn_tags__().input_tags
        assert (images.allow_nan, images.sparse) == (False, False)


def test_frames_without_names_have_the_columns_of_arrays():
    random = np.random.default_rng(3)
    x = np.column_stack([random.integers(0, 4, N) * 10, random.normal(size=N)]).astype(float)
    y = np.where(x[:, 0] > 10, "yes", "no")
    named = pandas.DataFrame(x, columns=["level", "n"])
    of_array = NetworkClassifier(recipe="plain", random_state=0, epochs=2).fit(x, y)
    with pytest.warns(UserWarning, match="X has feature names, but NetworkClassifier was fitted without feature names"):
        predicted = of_array.predict_proba(named)
    np.testing.assert_array_equal(predicted, of_array.predict_proba(x))
    for chosen in ([0], [True, False]):
        kwargs = {"recipe": "plain", "random_state": 0, "epochs": 2, "categorical_features": chosen}
        estimators = [NetworkClassifier(**kwargs).fit(data, y) for data in (x, pandas.DataFrame(x), named)]
        assert estimators[0].columns_[0] == Column("x0", ("0", "10", "20", "30"))
        assert estimators[1].columns_ == estimators[0].columns_
        assert estimators[2].columns_[0] == Column("level", ("0", "10", "20", "30"))
        np.testing.assert_array_equal(estimators[1].predict_proba(pandas.DataFrame(x)), estimators[0].predict_proba(x))


def test_categories_that_are_numbers_are_predicted_without_a_warning():
    regions = np.arange(N) % 12 + 1
    x = np.column_stack([np.linspace(0, 1, N), regions])
    estimator = NetworkClassifier(recipe="plain", random_state=0, epochs=1, categorical_features=[1]).fit(x, regions > 6)
    assert estimator.columns_[1].coded
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.predict(x)


@pytest.mark.parametrize("as_given", [np.asarray, lambda x: pandas.DataFrame(x, columns=["x0", "x1"])])
def test_missing_values_in_columns_that_had_none_give_a_warning(as_given):
    x = np.random.default_rng(4).normal(size=(N, 2))
    estimator = NetworkClassifier(recipe="plain", random_state=0, epochs=1).fit(as_given(x), x[:, 0] > 0)
    gaps = x.copy()
    gaps[:3, 1] = np.nan
    message = rf"values are missing in x1 \(3 of {N}\), which had none in training: the median takes their place"
    with pytest.warns(DataWarning, match=message):
        estimator.predict(as_given(gaps))
    with pytest.warns(DataWarning, match=message):
        estimator.model_.predict(pandas.DataFrame(gaps, columns=["x0", "x1"]))
