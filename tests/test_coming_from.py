"""The page for people who know other libraries: its tasks are complete, and its tables name what exists."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import pellucid
from pellucid import (
    GELU,
    GRU,
    LSTM,
    Adam,
    AdamW,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    EarlyStopping,
    Embedding,
    FitOptions,
    He,
    LayerNorm,
    LeakyReLU,
    RMSprop,
    Uniform,
)
from pellucid.optim import SGD, Adagrad

TEXT = (Path(__file__).parent.parent / "docs" / "coming-from.md").read_text(encoding="utf-8")
LABELS = ["Pellucid", "Keras", "PyTorch", "scikit-learn"]
TASKS = re.findall(r"^## (\d+\. .*?)\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL)


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, without its first two lines."""
    table = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines[2:]]


def test_there_are_ten_tasks():
    assert [int(title.split(".")[0]) for title, _ in TASKS] == list(range(1, 11))


@pytest.mark.parametrize(("title", "section"), TASKS, ids=[title for title, _ in TASKS])
def test_a_task_has_a_program_for_every_library(title, section):
    parts = re.split(r"^\*\*([\w-]+)\*\*\n", section, flags=re.MULTILINE)
    assert parts[1::2] == LABELS
    for name, text in zip(LABELS, parts[2::2], strict=True):
        language = "python" if name == "Pellucid" else "py"  # the tests run blocks of the first kind
        assert set(re.findall(r"^```(\w+)$", text, re.MULTILINE)) <= {language}
        assert re.match(r"\n```python\n" if name == "Pellucid" else r"\n(```py\n|`?[A-Z])", text), "a program or a sentence"
        for line in text.splitlines() if "```" in text else []:
            assert len(line) <= 59, f"beside another program there is no room for: {line}"


def test_the_names_of_this_library_exist():
    named = [name for row in rows("Names") for name in re.findall(r"\b([A-Z]\w+)\(", row[0])]
    assert len(named) > 30
    assert not [name for name in named if not hasattr(pellucid, name)]
    methods = [name for row in rows("Names") for name in re.findall(r"model\.(\w+)", row[0])]
    assert "predict" in methods
    assert not [name for name in methods if not hasattr(pellucid.Model, name)]


DEFAULTS = {  # row of the table: the cell of this library, made from the defaults
    "`SGD`: rate, momentum": lambda: numbers(SGD().learning_rate, SGD().momentum),
    "`Adam`: rate, ε": lambda: numbers(Adam().learning_rate, Adam().epsilon),
    "`AdamW`: decay": lambda: f"{numbers(inspect.signature(AdamW).parameters['decay'].default)}, of weights, not of biases",
    "`RMSprop`: rate, share of the old mean, ε": lambda: numbers(RMSprop().learning_rate, RMSprop().alpha, RMSprop().epsilon),
    "`Adagrad`: rate, initial sum, ε": lambda: numbers(Adagrad().learning_rate, Adagrad().initial, Adagrad().epsilon),
    "batch normalization: share of the old mean": lambda: f"momentum {numbers(BatchNorm().momentum)}",
    "batch normalization: ε; running variance": lambda: f"{numbers(BatchNorm().epsilon)}; divided by n − 1",
    "ε of layer normalization": lambda: numbers(LayerNorm().epsilon),
    "slope of leaky ReLU": lambda: numbers(LeakyReLU().slope),
    "GELU": lambda: "approximate" if GELU().approximate else "exact",
    "rate of `Dropout`": lambda: f"the fraction set to 0; default {numbers(Dropout().rate)}",
    "initial weights, dense and convolution": lambda: "He, normal" if Dense(1).init == Conv2D(1, 1).init == He() else "",
    "initial embeddings": lambda: "U(−0.05, 0.05)" if Embedding(1, 1).init == Uniform(-0.05, 0.05) else "",
    "output of a recurrent layer": lambda: "all" if LSTM(1).return_sequences or GRU(1).return_sequences else "the last state",
    "early stopping": lambda: f"{EarlyStopping().patience} epochs, best parameters {RESTORED[EarlyStopping().restore_best]}",
    "new order in each epoch": lambda: "yes" if FitOptions().shuffle else "no",
}
RESTORED = {True: "restored", False: "not restored"}


def numbers(*values: float) -> str:
    """Return numbers as the table writes them: ``1e-5`` instead of ``1e-05``."""
    return ", ".join(f"{value:g}".replace("e-0", "e-") for value in values)


@pytest.mark.parametrize("row", DEFAULTS)
def test_a_default_in_the_table_is_that_of_the_code(row):
    (cells,) = [cells for cells in rows("What differs") if cells[0] == row]
    assert cells[1] == DEFAULTS[row]()
    assert len(cells) == 5
