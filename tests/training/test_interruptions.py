"""Signals during a training: it ends after the current step, policies finish, and the handlers are those of before."""

from __future__ import annotations

import signal
import threading
from dataclasses import dataclass

import numpy as np
import pytest

from pellucid import CrossEntropy, Dense, Flatten, Sequential, Softmax
from pellucid.training import EarlyStopping, Policy, StepEvent
from pellucid.training.checkpoint import Checkpoint, checkpoint_files
from pellucid.training.progress import interruptible

SIGNALS = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@dataclass(frozen=True)
class Signals(Policy):
    """Sends this process signals after a step."""

    step: int
    numbers: tuple[int, ...]

    def wrap(self, events, state, history, memory):
        for event in events:
            if isinstance(event, StepEvent) and event.step == self.step:
                for number in self.numbers:
                    signal.raise_signal(number)
            yield event


@pytest.fixture
def model():
    return Sequential(Flatten(), Dense(10), Softmax()).compile((7, 7, 1), CrossEntropy(), seed=0)


def handlers():
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize(
    ("number", "exception", "code"), [(SIGNALS[0], KeyboardInterrupt, None), (SIGNALS[1], SystemExit, 143)]
)
def test_a_signal_ends_a_training_after_the_step(model, images, tmp_path, number, exception, code):
    before = handlers()
    policies = [EarlyStopping(5), Signals(25, (number,)), Checkpoint(tmp_path)]
    with pytest.raises(exception) as ended:
        model.fit(images, validation=images, epochs=10, batch_size=10, policies=policies, progress=False)
    assert getattr(ended.value, "code", None) == code
    assert handlers() == before
    assert model.state.steps == 25
    assert len(model.history) == 1
    assert checkpoint_files(tmp_path)[0].name == "checkpoint-000000025.pellucid"
    best = Sequential(Flatten(), Dense(10), Softmax()).compile((7, 7, 1), CrossEntropy(), seed=0)
    best.fit(images, epochs=1, batch_size=10)
    np.testing.assert_array_equal(model.parameters, best.parameters, "early stopping has restored the best epoch")
    history = model.fit(images, validation=images, epochs=10, batch_size=10, policies=policies, resume=tmp_path)
    whole = Sequential(Flatten(), Dense(10), Softmax()).compile((7, 7, 1), CrossEntropy(), seed=0)
    whole.fit(images, validation=images, epochs=10, batch_size=10, policies=policies[:1])
    np.testing.assert_array_equal(model.parameters, whole.parameters)
    assert len(history) == len(whole.history)


def test_the_first_ctrl_c_is_answered_with_a_line_that_says_how_to_end_at_once(model, images, capsys):
    with pytest.raises(KeyboardInterrupt):
        model.fit(images, epochs=10, batch_size=10, policies=[Signals(25, (signal.SIGINT,))], progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("interrupted")] == [
        "interrupted: the training ends after this step; Ctrl-C again ends it at once"
    ]


def test_a_second_ctrl_c_interrupts_at_once(model, images, tmp_path):
    policies = [Signals(25, (signal.SIGINT, signal.SIGINT)), Checkpoint(tmp_path, every_steps=10)]
    with pytest.raises(KeyboardInterrupt):
        model.fit(images, epochs=10, batch_size=10, policies=policies)
    assert checkpoint_files(tmp_path)[0].name == "checkpoint-000000020.pellucid", "no checkpoint is written"


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="a signal of Unix takes the place of that of Windows")
def test_ctrl_break_of_windows_ends_a_training_after_the_step(model, images, tmp_path, monkeypatch):
    number = signal.SIGUSR1  # in its place: it ends a process, too
    monkeypatch.setattr(signal, "SIGBREAK", number, raising=False)
    with pytest.raises(SystemExit) as ended:
        model.fit(images, epochs=10, batch_size=10, policies=[Signals(25, (number,)), Checkpoint(tmp_path)], progress=False)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) == signal.SIG_DFL
    assert checkpoint_files(tmp_path)[0].name == "checkpoint-000000025.pellucid"


def test_signals_with_other_handlers_are_left_to_them(model, images):
    received = []
    before = [signal.signal(number, lambda number, frame: received.append(number)) for number in SIGNALS]
    try:
        model.fit(images, epochs=2, batch_size=10, policies=[Signals(5, tuple(SIGNALS))])
    finally:
        for number, handler in zip(SIGNALS, before, strict=True):
            signal.signal(number, handler)
    assert received == SIGNALS
    assert model.state.steps == 40


def test_other_threads_change_no_handlers():
    found = []

    def work():
        with interruptible() as interruption:
            found.extend([handlers(), interruption.number])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [handlers(), None]
