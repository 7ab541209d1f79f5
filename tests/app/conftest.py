"""Fixtures of the drawing mode: two small trained networks, the application, a real server, its page in a browser."""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from pellucid import (
    GELU,
    GRU,
    Accuracy,
    Adam,
    Attention,
    CrossEntropy,
    Dense,
    Embedding,
    LayerNorm,
    LearnedPositions,
    Residual,
    Sequential,
    Softmax,
    TiedEmbedding,
)
from pellucid.app import server
from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.app.texts import TextNetworks
from pellucid.data import Corrections, Dataset
from pellucid.data.text import CharacterTokenizer
from pellucid.data.text.stage import Tokens
from pellucid.runs.folder import RunFolder
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.presets import preset
from pellucid.runs.run import run
from pellucid.training import EpochEvent
from tests.browser import LIMIT, draw as draw, settle as settle

ADDRESS = "http://127.0.0.1:8137"
SEVEN = [[[250, 200], [500, 190], [750, 200], [600, 500], [450, 850]]]
ZERO = [[[500, 150], [330, 250], [270, 500], [330, 750], [500, 850], [670, 750], [730, 500], [670, 250], [500, 150]]]


NETWORKS = {"mlp-small": 6, "cnn-fast": 2}  # with the number of their epochs


@pytest.fixture(scope="session")
def trained_runs(tmp_path_factory, digits_5k) -> list[Path]:
    """The run folders of a small MLP and a small convolutional network that recognize clear digits.

    The first of the processes that run the tests trains them for all.
    """
    base = tmp_path_factory.getbasetemp()
    parent = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "trained-runs"
    done = parent.with_name("trained-runs.done")
    try:
        parent.mkdir()
    except FileExistsError:
        until(done.exists, 600)
    else:
        try:
            train_networks(parent, *digits_5k)
        finally:
            done.touch()
    runs = [parent / name for name in NETWORKS]
    assert all((run / "model.pellucid").exists() for run in runs), "the process that trains them has failed"
    return runs


def train_networks(parent: Path, train: Dataset, test: Dataset) -> None:
    """Train the networks, each into its run folder."""
    for name, epochs in NETWORKS.items():
        recipe = preset(name)
        model = recipe.network(10).compile((28, 28, 1), CrossEntropy(), Adam(0.002), [Accuracy()], classes=tuple("0123456789"))
        history = model.fit(train, validation=test, epochs=epochs, batch_size=50)
        assert history["validation_accuracy"][-1] > 0.85
        folder = RunFolder(parent / name, name)
        folder.write_config({"preset": name, "data": {"name": "mnist-5k", "requested": "mnist"}, **model.config()})
        folder.write_metrics({"test": model.evaluate(test), "epochs": epochs})
        folder.save_model(model)


@pytest.fixture(scope="session")
def text_runs(tmp_path_factory) -> dict[str, Path]:
    """The run folders of language models with random parameters, by name: a Transformer, a GRU for lines, and a bigram."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    running, lines = Tokens(CharacterTokenizer("\n ,." + letters)), Tokens(CharacterTokenizer("\n" + letters), separator=0)
    blocks = [
        block
        for _ in range(2)
        for block in (
            Residual(LayerNorm(), Attention(2, causal=True)),
            Residual(LayerNorm(), Dense(32), GELU(), Dense(16)),
        )
    ]
    networks = {
        "gpt-tiny": (Sequential(TiedEmbedding(30, 16, LearnedPositions(), *blocks, LayerNorm()), Softmax()), 60, running),
        "gru-names": (Sequential(Embedding(27, 8), GRU(12, return_sequences=True), Dense(27), Softmax()), 120, lines),
        "bigram": (Sequential(Embedding(30, 30), Softmax()), 60, running),
    }
    parent, found = tmp_path_factory.mktemp("folder") / "texts", {}
    for name, (network, window, stage) in networks.items():
        model = network.compile((window,), CrossEntropy(), input_stage=stage)
        model.state.parameters[...] = np.random.default_rng(1).normal(0, 0.6, model.state.parameters.shape)
        if stage.separator is not None:
            model.weights["dense1.b"][stage.separator] = 2  # lines end soon
        folder = RunFolder(parent / name, name)
        folder.write_config({"preset": name, "data": {"name": "text"}, **model.config()})
        folder.write_metrics({"validation": {"loss": 1.75}})
        folder.save_model(model)
        found[name] = folder.path
    return found


@pytest.fixture
def text_state(text_runs, tmp_path) -> AppState:
    """The language models, with no networks that read digits."""
    texts = TextNetworks()
    texts.add(*text_runs.values())
    return AppState(Networks(), tmp_path / "runs", Corrections(tmp_path / "corrections"), texts=texts)


@pytest.fixture
def state(trained_runs, text_runs, tmp_path) -> AppState:
    """The two networks, the language models, and empty folders for runs and corrections."""
    networks, texts = Networks(), TextNetworks()
    networks.add(*trained_runs)
    texts.add(*text_runs.values())
    return AppState(networks, tmp_path / "runs", Corrections(tmp_path / "corrections"), texts=texts)


@pytest.fixture
def small_mnist(tmp_path, mnist_folder, monkeypatch) -> Path:
    """The small MNIST for child processes too: each of them runs this sitecustomize.py at its start."""
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent.parent)!r})\n"
        "from published_mnist import publish\n"
        f"publish(pathlib.Path({str(mnist_folder)!r}))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PELLUCID_KERNELS", "reference")  # they run for a second: compiling would take longer
    return mnist_folder


@pytest.fixture
def client(state) -> Iterator[TestClient]:
    """A client of the application, without a network connection."""
    with TestClient(server.application(state), base_url=ADDRESS) as client:
        yield client


@pytest.fixture
def served(state) -> Iterator[str]:
    """The address of a real server."""
    listener = server.bind("127.0.0.1", 0)
    ready = threading.Event()
    page = server.Server(state, "127.0.0.1", ready.set)
    thread = threading.Thread(target=page.run, args=([listener],), daemon=True)
    thread.start()
    assert ready.wait(LIMIT)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    page.should_exit = True
    thread.join(LIMIT)
    assert not thread.is_alive()


@pytest.fixture
def open_page(pages, served) -> Iterator[Callable[..., object]]:
    """A function that opens the page: ``open_page("#draw", width=360, scheme="dark")``.

    At the end of the test, there must have been no errors on the console, and no requests to other hosts.
    """
    problems: list[str] = []
    listeners = {
        "console": lambda message: message.type == "error" and problems.append(message.text),
        "pageerror": lambda error: problems.append(str(error)),
        "request": lambda request: request.url.startswith((served, "data:")) or problems.append(request.url),
    }
    yield lambda hash="", **options: pages.open(f"{served}/{hash}", listeners, **options)
    pages.end_test()
    assert problems == []


def interrupt(out: Path, settings: RunSettings, epoch: int = 2) -> dict[str, object]:
    """Make a run, and stop it after this epoch."""
    stop = lambda event, *_: not (isinstance(event, EpochEvent) and event.epoch == epoch)  # noqa: E731
    return run(RunPlan.of(settings), out, notify=lambda line: None, progress=False, observer=stop)


def wait_for_predictions(page, *labels: str) -> None:
    """Wait until the tab Draw shows these labels, one for each network."""
    page.wait_for_function(
        "(expected) => [...document.querySelectorAll('.prediction .label')].map((one) => one.textContent).join() === expected",
        arg=",".join(labels),
    )


def wait_for_all_tabs(page) -> None:
    """Wait until the page has loaded the script and the style sheet of every tab. It does so by itself, one after the other."""
    page.wait_for_function("""() => {
        const styles = [...document.querySelectorAll("link[href*='/tabs/']")].filter((link) => link.sheet);
        return styles.length === document.querySelectorAll("[role=tab]").length;
    }""")
    page.evaluate("""Promise.all([...document.querySelectorAll("link[href*='/tabs/']")].map(({href}) =>
        import(href.replace(/css$/, "js"))))""")


def strokes_of(page) -> list[list[list[float]]]:
    """Return the drawing on the pad."""
    return page.evaluate("import('/static/app-state.js').then(({appState}) => appState.strokes)")


def tab_names() -> list[str]:
    """Return the names of all tabs."""
    return [module.__name__.rpartition(".")[2].capitalize() for module in server.TABS]


FILLED = {  # what a tab shows when it has its content for a drawing
    "Draw": ".prediction",
    "Inside": "#inside[data-answered]",
    "Why": "#why[data-answered]",
    "Playground": ".playground-unit",
    "Text": "#text[data-answered]",
    "Train": ".train-command:not(:empty)",
    "Compare": ".compare-matrix",
}


def open_tab(page, name: str) -> None:
    """Open a tab, and wait until it has its content."""
    page.get_by_role("tab", name=name).click()
    page.locator(FILLED[name]).first.wait_for(state="visible")


def unpack(text: str, dtype: str = "<f4") -> np.ndarray:
    """Return an array that the server packed."""
    return np.frombuffer(base64.b64decode(text), dtype)


def until(condition: Callable[[], object], seconds: float = LIMIT) -> None:
    """Wait until the condition holds; fail after some seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"the condition did not hold within {seconds} s"
        time.sleep(0.02)
