"""One benchmark is one file with a ``CASE``; a new one is a new file and a word here, and its contenders gain a function."""

from __future__ import annotations

from benchmarks.cases import (
    augmentation,
    conv_forms,
    conv_memory,
    conv_predict,
    conv_step,
    epoch,
    imports,
    lstm_step,
    memory,
    predict,
    step,
)
from benchmarks.harness import Case

CASES: dict[str, Case] = {
    module.CASE.name: module.CASE
    for module in (
        step,
        epoch,
        predict,
        imports,
        memory,
        conv_step,
        conv_predict,
        conv_memory,
        conv_forms,
        augmentation,
        lstm_step,
    )
}
