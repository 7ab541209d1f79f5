"""The benchmarks: one file with a ``CASE`` for each. A new file is added to the list here, and its jobs to the contenders."""

from __future__ import annotations

from benchmarks.cases import (
    augmentation,
    conv_algorithms,
    conv_memory,
    conv_predict,
    conv_step,
    epoch,
    first_use,
    generate,
    imports,
    lstm_step,
    memory,
    positions_step,
    predict,
    step,
    transformer_memory,
    transformer_step,
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
        conv_algorithms,
        augmentation,
        lstm_step,
        positions_step,
        first_use,
        transformer_step,
        transformer_memory,
        generate,
    )
}
