"""Results of the benchmarks and their command line: summaries, tables, files, error messages. No peer is imported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.cases import CASES
from benchmarks.environment import machine, without_tuning
from benchmarks.harness import Case, Settings
from benchmarks.installed import installed
from benchmarks.report import format_value, markdown, table
from benchmarks.results import Cell, Failure, Result, Row, Spread, geometric_mean


def row(label: str = "r", unit: str = "ms", baselines: tuple[str, ...] = (), **medians: float) -> Row:
    return Row(label, unit, {name: Cell([median]) for name, median in medians.items()}, baselines)


def test_variables_that_select_kernels_and_threads_are_removed() -> None:
    kept = {
        "PATH": "/bin",
        "HOME": "/",
        "PELLUCID_DATA": "/data",
        "MY_OMP_X": "1",
        "KERAS_BACKEND": "jax",
        "TF_CPP_MIN_LOG_LEVEL": "1",
        "NUMBA_CACHE_DIR": "/cache",
    }
    removed = "OPENBLAS_CORETYPE OMP_NUM_THREADS MKL_DYNAMIC GOTO_NUM_THREADS NUMEXPR_MAX_THREADS VECLIB_MAXIMUM_THREADS"
    removed += " KMP_BLOCKTIME TF_NUM_INTRAOP_THREADS PELLUCID_KERNELS NVPL_X XLA_FLAGS NUMBA_CPU_NAME NUMBA_NUM_THREADS"
    removed += " DNNL_MAX_CPU_ISA ONEDNN_VERBOSE TF_ENABLE_ONEDNN_OPTS ATEN_CPU_CAPABILITY"
    assert without_tuning({**kept, **dict.fromkeys(removed.split(), "1")}) == kept


def test_the_machine_is_json_data() -> None:
    facts = json.loads(json.dumps(machine()))
    assert facts["cores"] >= 1
    assert facts["cpu"]


def test_spread_of_repetitions() -> None:
    assert Spread.of([5.0, 1.0, 2.0, 4.0, 3.0]) == Spread(median=3, low=1, lower_quartile=2, upper_quartile=4, high=5)
    assert Spread.of([1.0, 2.0]).median == 1.5
    assert Spread.of([7.0]) == Spread(7, 7, 7, 7, 7)


def test_geometric_mean_of_twice_and_half_is_one() -> None:
    assert geometric_mean([2.0, 0.5]) == pytest.approx(1)
    assert geometric_mean([1.0, 10.0, 100.0]) == pytest.approx(10)
    assert geometric_mean([]) is None


def test_ratio_is_the_best_peer_over_pellucid() -> None:
    assert row(pellucid=2, torch=6, jax=3).best_peer() == "jax"
    assert row(pellucid=2, torch=6, jax=3).ratio() == 1.5
    assert row(pellucid=2, numpy=1, jax=3, baselines=("numpy",)).ratio() == 1.5
    assert row(torch=6).ratio() is None
    assert row(pellucid=6).ratio() is None
    uncompared = row(pellucid=2, torch=6)
    uncompared.compared = False
    assert uncompared.ratio() is None


def test_mean_ratio_needs_rows_of_one_unit() -> None:
    two = Result("x", "", [row("a", pellucid=1, torch=2), row("b", pellucid=1, torch=8), row("c", torch=1)])
    assert two.mean_ratio() == pytest.approx(4)
    assert Result("x", "", [row("a", pellucid=1, torch=2), row("b", "MB", pellucid=1, torch=8)]).mean_ratio() is None
    assert Result("x", "", [row("a", pellucid=1, torch=2)]).mean_ratio() is None


def test_the_table_marks_the_best_peer_and_shows_missing_cells() -> None:
    assert table([row("batch 4", pellucid=0.5, torch=1, jax=0.75), row("batch 32", pellucid=100, torch=1234.5)]) == [
        "| | pellucid | torch | jax | best peer / pellucid |",
        "|---|---:|---:|---:|---:|",
        "| batch 4, ms | 0.5 | 1 | **0.75** | 1.50 |",
        "| batch 32, ms | 100 | **1234** | – | 12.35 |",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.0123"), (1.234, "1.23"), (99.96, "100"), (12345.6, "12346")]
)
def test_values_have_three_digits_and_no_exponents(value: float, text: str) -> None:
    assert format_value(value) == text


def test_the_report_lists_skipped_and_failed_contenders() -> None:
    result = Result("step", "A step.", [row(pellucid=1, torch=2)], skipped={"jax": "jax is not installed"})
    result.failures.append(Failure("keras", "batch 4", "its process ended with code 1", ["ValueError: no"]))
    run = {
        "date": "today",
        "machine": {"cpu": "c", "cores": 2, "caches": {}, "memory_gib": 1, "system": "s", "python": "p", "load": [0.9]},
        "settings": {"repeats": 3, "quick": True},
    }
    page = markdown(run, [result])
    for text in ("Skipped: jax: jax is not installed.", "Failed: keras at batch 4", "ValueError: no", "A quick run", "busy"):
        assert text in page
    plain = json.loads(json.dumps(result.as_json()))
    assert plain["rows"][0]["ratio"] == 2
    assert plain["rows"][0]["cells"]["torch"]["values"] == [2]


def test_the_installed_size_includes_requirements_but_no_extras() -> None:
    sizes = installed("pytest")
    assert {"pytest", "pluggy"} <= set(sizes)
    assert "hypothesis" not in sizes
    assert all(size > 0 for size in sizes.values())
    assert installed("a-package-that-nobody-has") == {}


def test_list_shows_benchmarks_and_contenders(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    out = capsys.readouterr().out
    for name, case in CASES.items():
        assert f"{name:<17}{case.title}" in out
    assert "pellucid, torch, torch-compile, jax, keras, sklearn" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stepp"], "unknown benchmark 'stepp'; choose from step, epoch, predict, import, memory, conv-step"),
        (["--only", "torch,flax"], "unknown contender 'flax'; choose from pellucid, torch"),
        (["--repeats", "0"], "at least 1"),
        (["--against", "nowhere"], "nowhere contains no package pellucid"),
        (["conv-step", "--rows", "batch 7", "--rows", "nothing"], "no row contains 'batch 7' or 'nothing'"),
        (["--data-dir", "nowhere"], "contains no train-images-idx3-ubyte"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


def test_a_run_writes_both_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(case: Case, settings: Settings) -> Result:
        return Result(case.name, case.title, [row(pellucid=1, torch=2)])

    monkeypatch.setitem(CASES, "step", Case("step", "A step.", (), run))
    monkeypatch.delenv("PELLUCID_DATA", raising=False)
    assert main(["step", "--quick", "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "results.md").read_text() == capsys.readouterr().out.rstrip("\n") + "\n"
    written = json.loads((tmp_path / "out" / "results.json").read_text())
    assert written["settings"]["repeats"] == 3
    assert written["data"].startswith("random")
    assert written["benchmarks"][0]["rows"][0]["best_peer"] == "torch"
