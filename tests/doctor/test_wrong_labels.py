"""Labels that are probably wrong: planted ones are found, and clean data has no finding."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from pellucid import (
    Adam,
    BinaryCrossEntropy,
    ConfigError,
    CrossEntropy,
    DataError,
    Dense,
    Flatten,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
)
from pellucid.data import Dataset
from pellucid.doctor import LabelSearch, search_labels
from pellucid.doctor.labels import _calibrated


def digits(wrong: float, seed: int = 0) -> tuple[Dataset, np.ndarray]:
    """Return 1,797 digits (8, 8, 1), of which this share has a wrong label, and which ones."""
    bunch = pytest.importorskip("sklearn.datasets").load_digits()
    random = np.random.default_rng(seed)
    y, n = bunch.target.copy(), len(bunch.target)
    planted = np.sort(random.choice(n, round(wrong * n), replace=False))
    y[planted] = (y[planted] + random.integers(1, 10, len(planted))) % 10
    return Dataset((bunch.images[..., None] / 16).astype(np.float32), y, name="digits"), planted


def train(part: Dataset, seed: int):
    network = Sequential(Flatten(), Dense(64), ReLU(), Dense(64), ReLU(), Dense(10), Softmax())
    model = network.compile(part.shape, CrossEntropy(), Adam(2e-3), seed=seed)
    model.fit(part, epochs=10, batch_size=64, progress=False)
    return model


@functools.cache
def searched(wrong: float, seed: int) -> tuple[LabelSearch, np.ndarray]:
    data, planted = digits(wrong, seed)
    return search_labels(data, train, seed=seed), planted


@pytest.mark.parametrize("seed", range(2))
def test_planted_labels_are_found(seed):
    search, planted = searched(0.03, seed)
    (finding,) = search.findings
    assert finding.kind == "wrong-labels"
    assert finding.figure > finding.threshold
    assert finding.samples[0] == search.suspects[0] in planted
    found = np.isin(search.suspects, planted)
    assert found.mean() > 0.85  # measured over seeds 0 to 4: a precision of 91 to 98 %
    assert found.sum() / len(planted) > 0.7  # 78 to 87 %
    ranked = np.isin(search.ranking[: len(planted)], planted)
    assert ranked.mean() > 0.8  # 85 to 93 %
    assert sorted(search.ranking) == list(range(1797))
    assert (search.loss[search.suspects] > np.log(2)).all(), "another class is more probable"
    truth = digits(0.0)[0].y
    assert (search.likely[search.suspects[found]] == truth[search.suspects[found]]).mean() > 0.9


@pytest.mark.parametrize("seed", range(2))
def test_clean_labels_have_no_finding(seed):
    search, _ = searched(0.0, seed)
    assert not search.findings.findings
    assert search.accuracy > 0.94
    assert search.contradicted < 20, "the list is still there, for those who want to look"


class Certain:
    """A model with fixed outputs."""

    def __init__(self, outputs):
        self.outputs = outputs

    def predict(self, x):
        return self.outputs(x)


def test_no_network_has_seen_the_labels_that_it_judges():
    x = np.arange(60.0)[:, None]
    seen, calls = [], []

    def record(part, seed):
        known = set(part.x[:, 0].astype(int).tolist())
        seen.append((known, seed))

        def outputs(x):
            assert not known & set(x[:, 0].astype(int).tolist())
            return np.full((len(x), 2), 0.5)

        return Certain(outputs)

    labels = np.arange(60) % 2
    search = search_labels(Dataset(x, labels), record, folds=4, seed=7, progress=lambda *fold: calls.append(fold))
    assert [len(known) for known, _ in seen] == [45] * 4
    assert [seed for _, seed in seen] == [7, 8, 9, 10]
    assert set.intersection(*(known for known, _ in seen)) == set()
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert search.contradicted == 0, "networks that know nothing contradict nothing"


def test_one_output_and_one_hot_labels():
    x = np.arange(60.0)[:, None]
    labels = (x[:, 0] >= 30).astype(int)
    labels[[4, 40, 50]] = [1, 0, 0]
    yes = Certain(lambda x: np.where(x >= 30, 0.999, 0.001))
    for y in (labels, labels.astype(bool), np.eye(2)[labels]):
        search = search_labels(Dataset(x, y), lambda part, seed: yes)
        assert sorted(search.suspects) == [4, 40, 50]
        assert search.findings[0].text.startswith("networks that have not seen them contradict 3 of 60 labels; sample 4 is lab")
    rare = labels.copy()
    rare[:] = 0
    rare[[4, 5]] = 1
    search = search_labels(Dataset(x, rare), lambda part, seed: Certain(lambda x: np.full((len(x), 1), 0.001)))
    assert search.contradicted == 0, "a class of two samples cannot be judged"


def test_a_real_network_with_one_output():
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    y[:9] = 1 - y[:9]

    def train(part, seed):
        model = Sequential(Dense(16), ReLU(), Dense(1), Sigmoid()).compile((2,), BinaryCrossEntropy(), Adam(0.02), seed=seed)
        model.fit(part, epochs=20, progress=False)
        return model

    assert set(search_labels(Dataset(x, y), train).suspects) & set(range(9))


def test_calibration_finds_the_temperature():
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 5)) * 2
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (true.cumsum(axis=1) > random.random((4000, 1))).argmax(axis=1)
    sure = true**3 / (true**3).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(_calibrated(sure, labels), true, atol=0.03)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "one class"),
        (np.linspace(0, 1, 60), "one class"),
        (np.zeros((60, 4, 4), int), "one class"),
        (np.arange(60) - 1, "from 0"),
    ],
)
def test_other_targets_are_refused(y, message):
    with pytest.raises(DataError, match=message):
        search_labels(Dataset(np.zeros((60, 3)), y), train)


def test_outputs_that_are_no_probabilities_are_refused():
    data = Dataset(np.zeros((60, 3)), np.arange(60) % 3)
    with pytest.raises(DataError, match="End the network with Softmax"):
        search_labels(data, lambda part, seed: Certain(lambda x: np.ones((len(x), 3))))
    with pytest.raises(ConfigError, match="got Certain and Dataset"):
        search_labels(Certain(lambda x: np.ones((len(x), 3))), data)
    with pytest.raises(ConfigError, match="folds=1"):
        search_labels(data, train, folds=1)
    with pytest.raises(DataError, match="at least 14 samples"):
        search_labels(data.take(np.arange(13)), train, folds=7)


@pytest.mark.parametrize("wrong", [0.03, 0.1])
def test_many_wrong_labels_of_two_classes_are_found(wrong):
    """With a tenth of the labels wrong, calibrated networks are never sure: what is usual decides."""
    data, planted = digits(0.0)
    planted = np.sort(np.random.default_rng(0).choice(len(data), round(wrong * len(data)), replace=False))
    y = (np.asarray(data.y) >= 5).astype(int)
    y[planted] = 1 - y[planted]

    def train(part, seed):
        network = Sequential(Flatten(), Dense(64), ReLU(), Dense(64), ReLU(), Dense(2), Softmax())
        model = network.compile(part.shape, CrossEntropy(), Adam(2e-3), seed=seed)
        model.fit(part, epochs=10, batch_size=64, progress=False)
        return model

    search = search_labels(Dataset(data.x, y), train)
    assert search.findings.kinds == ["wrong-labels"]
    found = np.isin(search.suspects, planted)
    assert found.mean() > 0.9  # measured: 92 to 98 %
    assert found.sum() / len(planted) > 0.6  # 67 to 69 %
