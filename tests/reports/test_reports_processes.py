"""Public reports about threads, forks and notebooks: what users did, and what happens here."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import pellucid.training.progress as progress_module
from pellucid import Model, StepEvent
from tests.reports.small_data import LABELS, X, classifier

MANY = np.tile(X, (40, 1))


def test_predictions_from_several_threads():
    """model.predict in several threads sometimes raises "'Functional' object has no attribute 'predict_function'".

    Source: tensorflow/tensorflow#61298. Right: every thread gets the same bits, also where none has predicted before.
    """
    model = classifier()
    samples = [MANY * np.float32(1 + number / 10) for number in range(24)]  # of others, one would see what they leave behind
    expected = [model.copy().predict(one) for one in samples]
    with ThreadPoolExecutor(8) as pool:
        for outputs, own in zip(pool.map(model.predict, samples), expected, strict=True):
            assert np.array_equal(outputs, own)


def test_loading_and_predicting_in_another_thread(tmp_path):
    """In a web server, predict fails if its first call is in another thread than the loading.

    Source: keras-team/keras#2397. Right: any thread loads, trains and predicts.
    """
    model = classifier()
    model.fit(X, LABELS)
    model.save(tmp_path / "model")
    found = []

    def work() -> None:
        other = Model.load(tmp_path / "model")
        found.append(np.array_equal(other.predict(X), model.predict(X)))
        other.fit(X, LABELS, progress=True)  # signals belong to the main thread
        found.append(len(other.history))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True, 1]


def test_models_that_train_in_several_threads():
    """Several networks, each in a thread of its own, do not work together.

    Source: keras-team/keras#6938. Right: each ends in the bits of a training alone.
    """

    def parameters(seed: int) -> np.ndarray:
        model = classifier(seed=seed)
        model.fit(X, LABELS, epochs=2, batch_size=10)
        return model.parameters.copy()

    alone = [parameters(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(parameters, range(4)))
    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


def _work(model: Model, sender) -> None:
    outputs = model.predict(MANY)
    model.fit(X, LABELS)
    sender.send((outputs, model.parameters.copy()))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="the system cannot fork")
def test_a_forked_process_uses_the_threads(capfd):
    """A program with a session and a ProcessPoolExecutor is stuck.

    Source: microsoft/onnxruntime#5093. Right: the child predicts and trains the same as its parent.
    """
    model = classifier()
    expected = model.predict(MANY)  # starts the threads of the compiled kernels
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_work, args=(model, sender), daemon=True)
    child.start()
    sender.close()  # so that the end of the child, if it fails, is the end of the pipe
    assert receiver.poll(60), "the child hangs"
    outputs, parameters = receiver.recv()  # before the end of the child is waited for: it may not end with a full pipe
    child.join(60)
    assert child.exitcode == 0
    assert np.array_equal(outputs, expected)
    model.fit(X, LABELS)
    assert np.array_equal(parameters, model.parameters)


def _events(count: int) -> list[StepEvent]:
    return [StepEvent(1, number, count, number, 0.5, 10, 0.1, lambda: {"loss": 0.5}) for number in range(1, count + 1)]


def test_the_progress_bar_of_short_steps(monkeypatch):
    """The progress bar in a notebook is drawn so often that the browser freezes.

    Source: keras-team/keras#4880. Right: the bar is drawn a few times in a second, however many steps there are.
    """
    seconds = [100.0]
    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: seconds[0])
    bars = progress_module.Bars(epochs=1)
    drawn = []
    monkeypatch.setattr(bars.bars, "update", lambda *args, **settings: drawn.append(seconds[0]))
    for event in _events(1000):
        bars.show(event)
        seconds[0] += 0.001
    assert 1 <= len(drawn) <= 6


def test_the_progress_of_a_file(capfd):
    """The progress bar of short steps writes so much that a notebook stops: "IOPub data rate exceeded".

    Source: keras-team/keras#12779. Right: where there are no bars, there is one line for each epoch.
    """
    classifier().fit(X, LABELS, epochs=3, batch_size=2, progress=True)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("epoch ")]
    assert [line.split()[1] for line in lines] == ["1/3", "2/3", "3/3"]
