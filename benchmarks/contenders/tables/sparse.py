"""Training on a sparse matrix of words: the synthetic texts, and what a fit on them takes."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

SUBJECTS = 4
WORDS = 80  # of a text, on average
EXPONENT = 1.1  # of the Zipf distribution of words
OWN_WORDS, OFTEN = 200, 4.0  # words that are that many times as frequent in a text of the subject
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def texts(rows: int, columns: int, seed: int = 0) -> tuple[csr_matrix, Any]:
    """Return the TF-IDF of synthetic texts (rows, columns) in CSR and float64, and their subjects (rows).

    TF-IDF as in scikit-learn: the count of a word times 1 + log((1 + n)/(1 + texts with the word)); each row is divided by its
    norm.
    """
    words = np.random.default_rng(1)  # the same words in all texts
    frequency = np.arange(1, columns + 1.0) ** -EXPONENT
    of_subject = np.tile(words.permutation(frequency), (SUBJECTS, 1))
    for one in of_subject:
        one[words.permutation(columns)[:OWN_WORDS]] *= OFTEN
    of_subject /= of_subject.sum(axis=1, keepdims=True)
    random = np.random.default_rng(seed + 2)
    y = random.integers(0, SUBJECTS, rows)
    lengths = 1 + random.poisson(WORDS - 1, rows)
    text = np.repeat(np.arange(rows), lengths)
    word = np.empty(len(text), np.int64)
    for subject, probabilities in enumerate(of_subject):
        mine = y[text] == subject
        word[mine] = random.choice(columns, int(mine.sum()), p=probabilities)
    x = csr_matrix((np.ones(len(text)), (text, word)), (rows, columns))  # sums up words that occur more than once
    x.data *= (1 + np.log((1 + rows) / (1 + np.bincount(x.indices, minlength=columns))))[x.indices]
    x.data /= np.sqrt(np.asarray(x.multiply(x).sum(axis=1))[:, 0])[np.repeat(np.arange(rows), np.diff(x.indptr))]
    return x, y


def run(classifier: Callable[[], Any], parameters: Callable[[Any], int], rows: int, columns: int) -> dict[str, Any]:
    """Fit a classifier and return its seconds, its accuracy on other texts, and bytes.

    ``peak`` are the bytes by which the memory of the process was larger at most during the fit than before it, without the
    matrix; None where the system does not tell. ``parameters`` returns the bytes of the parameters of a classifier.
    """
    warnings.simplefilter("ignore")
    few, labels = texts(400, 50)
    classifier().fit(few, labels)  # loads what is loaded on first use
    x, y = texts(rows, columns)
    model = classifier()
    gc.collect()
    before = reset_peak()
    began = time.perf_counter()
    model.fit(x, y)
    seconds = time.perf_counter() - began
    peak = None if before is None else memory("VmHWM") - before
    x_test, y_test = texts(rows // 4, columns, seed=1)
    return {
        "fit": seconds,
        "accuracy": float(model.score(x_test, y_test)),
        "matrix": x.data.nbytes + x.indices.nbytes + x.indptr.nbytes,
        "parameters": parameters(model),
        "peak": peak,
    }


def reset_peak() -> int | None:
    """Set the peak of this process to its present memory and return that, in bytes; None if the system cannot.

    Memory that was freed, but that the C library keeps for later, is given back first: a fit in it would seem to take none.
    """
    with contextlib.suppress(AttributeError, OSError):  # with another C library than GNU's
        ctypes.CDLL(None).malloc_trim(0)
    try:
        RESET.write_text("5")
    except OSError:
        return None
    return memory("VmRSS")


def memory(name: str) -> int:
    """Return a size of Linux's status of this process in bytes."""
    return next(int(line.split()[1]) * 1024 for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
