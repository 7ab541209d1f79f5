"""The classifier of texts: scikit-learn's checks, its tools, tokenizers, and what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

from pellucid import GRU, DataError, Embedding, Model, Sequential
from pellucid.data.text import CharacterTokenizer
from pellucid.errors import ConfigError
from pellucid.sklearn import TextClassifier

CHECKS = (
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
)
WORDS = {"fruit": ("apple", "pear", "plum", "cherry"), "tool": ("hammer", "saw", "drill", "wrench")}


@pytest.fixture(scope="module")
def texts():
    random = np.random.default_rng(0)
    labels = random.permutation(["fruit", "tool"] * 40)
    return [f"a {random.choice(WORDS[label])} in the {random.choice(['box', 'bag'])}" for label in labels], labels


def small(**settings):
    return TextClassifier(**{"width": 8, "filters": 16, "epochs": 15, "learning_rate": 0.01, "random_state": 0} | settings)


def test_scikit_learns_checks():
    """Checks with tables of numbers do not apply to estimators of texts: scikit-learn leaves them out, and warns."""
    with pytest.warns(UserWarning, match="Can't test estimator TextClassifier which requires input"):
        results = estimator_checks.check_estimator(TextClassifier(), on_fail=None)
    assert [one["status"] for one in results] == ["passed"]


@pytest.mark.parametrize("check", CHECKS)
def test_those_of_scikit_learns_checks_that_need_no_table(check):
    getattr(estimator_checks, check)("TextClassifier", TextClassifier())


def test_texts_are_classified(texts):
    x, y = texts
    classifier = small().fit(x[:60], y[:60])
    assert classifier.score(x[60:], y[60:]) > 0.9
    p = classifier.predict_proba(x[:4])
    assert p.shape == (4, 2)
    assert p.sum(axis=1) == pytest.approx(np.ones(4))
    assert ((classifier.decision_function(x) > 0) == (classifier.predict(x) == "tool")).all()
    assert classifier.classes_.tolist() == ["fruit", "tool"]
    assert classifier.n_iter_ == len(classifier.loss_curve_) <= 15
    assert classifier.loss_curve_[-1] < classifier.loss_curve_[0]
    assert (small().fit(np.array(x[:60]), y[:60]).predict_proba(x) == classifier.predict_proba(x)).all()
    assert (pickle.loads(pickle.dumps(classifier)).predict(x) == classifier.predict(x)).all()


def test_the_model_reads_texts(texts, tmp_path):
    x, y = texts
    classifier = small(epochs=2).fit(x, y)
    classifier.model_.save(tmp_path / "m.pellucid")
    model = Model.load(tmp_path / "m.pellucid")
    assert model.tokenizer == classifier.tokenizer_ == CharacterTokenizer.of("\n".join(x))
    assert model.predict(x)[:, 0] == pytest.approx(classifier.predict_proba(x)[:, 1])
    assert model.predict(x[0]).shape == (1, 1)
    with pytest.raises(ConfigError, match=r"one answer for each text: evaluate\(texts, labels\)"):
        model.evaluate(x[0])


def test_scikit_learns_tools(texts):
    x, y = texts
    pipeline = make_pipeline(FunctionTransformer(lambda texts: [text.upper() for text in texts]), small(epochs=4))
    assert cross_val_score(pipeline, x, y, cv=2).shape == (2,)
    search = GridSearchCV(small(epochs=2), {"width": [4, 8]}, cv=2).fit(x, y)
    assert search.best_params_["width"] in (4, 8)
    assert clone(small(length=7)).length == 7


def test_lengths_and_unknown_characters(texts):
    x, y = texts
    classifier = small(epochs=2).fit(x, y)
    assert classifier.model_.input_shape == (max(map(len, x)),)
    same = classifier.predict_proba(["a pear", "a ÄÖ€pear", "a pear" + "€" * 500])
    assert (same == same[0]).all()
    short = small(epochs=2, length=4).fit(x, y)
    assert short.model_.input_shape == (4,)
    assert (short.predict_proba(["a saw in"]) == short.predict_proba(["a sa"])).all()


def test_three_classes_and_weights(texts):
    x, y = texts
    third = np.where(np.arange(len(y)) % 3 == 0, "any", y)
    assert small(epochs=2, class_weight="balanced").fit(x, third, np.ones(len(y))).predict_proba(x).shape == (len(x), 3)


def test_a_network_of_ones_own(texts):
    x, y = texts
    k = len(CharacterTokenizer.of("\n".join(x)))
    classifier = small(network=Sequential(Embedding(k + 1, 4, padding=k), GRU(5)), epochs=2).fit(x, y)
    assert "GRU(units=5)" in str(classifier.model_.network)


def test_byte_pairs(texts):
    pytest.importorskip("tokenizers")
    x, y = texts
    classifier = small(tokenizer=280).fit(x, y)
    assert len(classifier.tokenizer_) == 280
    assert classifier.score(x, y) > 0.9
    assert classifier.predict(["日本"]).shape == (1,)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ("one text", "X is a single text"),
        ([1, 2], "sample 0 is int"),
        (["a", None], "sample 1 is NoneType"),
        (3, "not int"),
        ([], "no texts"),
        (["a"], "1 texts, and y has 2 labels"),
    ],
)
def test_what_is_no_list_of_texts(x, message):
    with pytest.raises(DataError, match=message):
        TextClassifier().fit(x, [0, 1])


def test_settings_that_are_refused():
    for settings in ({"length": 0}, {"width": 0}, {"dropout": 1.0}, {"tokenizer": "words"}, {"network": "cnn"}, {"epochs": 0}):
        (name,) = settings
        with pytest.raises(ConfigError, match=name):
            TextClassifier(**settings).fit(["a", "b"], [0, 1])
    with pytest.raises(NotFittedError):
        TextClassifier().predict(["a"])
