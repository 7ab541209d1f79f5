"""The limits of the benchmarks: the model of work by hand, the least time, the measured bandwidths, the tables."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import __main__ as command, environment, limits, networks, work
from benchmarks.cases import first_use, roofline
from benchmarks.contenders import contender
from benchmarks.environment import cache_capacities
from benchmarks.harness import OTHER, Case, Settings, Workload
from benchmarks.limits import Level, Limits, least
from benchmarks.networks import (
    NETWORKS,
    Conv,
    Conv1d,
    Dense,
    Flatten,
    Lstm,
    MaxPool,
    Mean,
    Norm,
    Relu,
    Residual,
    Skip,
    Upsample,
)
from benchmarks.report import limit_shares, table
from benchmarks.results import Bound, Cell, Result, Row
from benchmarks.session import NotInstalled
from benchmarks.work import Access, Pass, distances, prediction, step
from pellucid.kernels.window import Window

#: A machine that is easy to compute with: 1 GFLOP/s; a cache of 1,000 bytes with 1 GB/s, and a memory with a tenth.
MACHINE = Limits(1e9, 1000, 1, (Level("L1", 1000, 1e9, 1e9, 2e9, 2e9), Level("memory", math.inf, 1e8, 1e8, 1e8, 2e8)))


def accesses(one: Pass) -> list[str]:
    """Return the accesses of a pass as texts such as ``read x 80``."""
    return [f"{access.kind} {access.array} {access.size}" for access in one.accesses]


def named(passes: list[Pass]) -> dict[str, Pass]:
    return {one.name: one for one in passes}


def test_a_step_of_two_dense_layers_by_hand() -> None:
    """Five samples of 4 values: 4 → 6 → 3. Bytes: 4 for each number."""
    passes = step((Flatten(), Dense(6), Relu(), Dense(3)), (2, 2, 1), 5)
    assert [(one.name, one.flop) for one in passes] == [
        ("dense 1", 2 * 5 * 4 * 6),
        ("dense 2", 2 * 5 * 6 * 3),
        ("loss", 0),
        ("gradients of dense 2", 2 * (2 * 5 * 6 * 3)),  # of the weights and of the input
        ("gradients of dense 1", 2 * 5 * 4 * 6),  # of the weights only
        ("update", 0),
    ]
    assert accesses(passes[0]) == ["read x 80", "read dense 1 120", "write dense 1 map 120"]
    assert accesses(passes[1]) == ["read dense 1 map 120", "read dense 2 84", "write dense 2 map 60"]
    assert accesses(passes[2]) == ["read dense 2 map 60", "write ddense 2 map 60"]
    assert accesses(passes[3]) == [
        "read ddense 2 map 60",
        "read dense 1 map 120",
        "read dense 2 84",
        "write ddense 2 84",
        "write ddense 1 map of 2 120",
    ]
    assert accesses(passes[4]) == ["read ddense 1 map of 2 120", "read x 80", "write ddense 1 120"]
    assert accesses(passes[5])[:4] == ["read ddense 1 120", "update dense 1 120", "update mdense 1 120", "update vdense 1 120"]
    assert passes[5].moved == (120 + 84) * 7  # the gradient is read; parameters and two moments are read and written


def test_pooling_is_a_part_of_the_convolution_before_it() -> None:
    passes = named(step((Conv(2, 3), Relu(), MaxPool(), Flatten(), Dense(3)), (6, 6, 1), 1))
    assert accesses(passes["conv 1"])[-2:] == ["write pool 2 map 32", "write pool 2 map index 8"]  # not the 4×4 map
    assert accesses(passes["gradients of conv 1"])[:3] == ["read dpool 2 map of 3 32", "read pool 2 map index 8", "read x 144"]


def test_a_map_that_another_layer_reads_is_written_before_pooling() -> None:
    layers = (Conv(2, 3, padding=1), Relu(), Skip((MaxPool(), Conv(3, 1), Upsample())), Conv(4, 1))
    passes = named(step(layers, (4, 4, 1), 1))
    assert accesses(passes["conv 1"])[-3:] == ["write conv 1 map 128", "write pool 2 map 32", "write pool 2 map index 8"]
    assert accesses(passes["conv 4"])[:2] == ["read conv 1 map 128", "read conv 3 map 48"]  # 2×2 before upsampling
    both = ["read dconv 1 map of 4 128", "read dpool 2 map of 3 32", "read pool 2 map index 8"]
    assert accesses(passes["gradients of conv 1"])[:3] == both


def test_a_normalized_map_is_read_once_more_in_the_backward_pass() -> None:
    plain = named(step((Conv(2, 3), Relu(), Flatten(), Dense(3)), (6, 6, 1), 1))
    normalized = step((Conv(2, 3, bias=False), Norm(), Relu(), Flatten(), Dense(3)), (6, 6, 1), 1)
    assert accesses(named(normalized)["gradients of conv 1"])[:2] == ["read dconv 1 map of 3 128", "read conv 1 map 128"]
    assert "read conv 1 map 128" not in accesses(plain["gradients of conv 1"])
    assert "update norm 2 16" in accesses(normalized[-1])  # γ and β
    pooled = named(step((Conv(2, 3, bias=False), Norm(), MaxPool(), Flatten(), Dense(3)), (6, 6, 1), 1))
    assert accesses(pooled["pool 3"]) == ["read conv 1 map 128", "write pool 3 map 32"]
    assert accesses(pooled["gradient of pool 3"])[-1] == "write dconv 1 map of 3 128"


def test_a_residual_block_adds_two_maps() -> None:
    block = Residual((Conv(2, 3, padding=1, bias=False), Norm()))
    passes = named(step((Conv(2, 1), block, Relu(), Mean(), Dense(3)), (4, 4, 1), 1))
    assert accesses(passes["sum 4"]) == ["read conv 2 map 128", "read conv 1 map 128", "write sum 4 map 128"]
    assert accesses(passes["gradient of sum 4"]) == ["read dmean 5 map of 6 8", "read conv 2 map 128"]
    # The gradient of the first convolution's output: that of the sum, and that through the block.
    assert accesses(passes["gradients of conv 1"])[:2] == ["read dmean 5 map of 6 8", "read dconv 1 map of 2 128"]


def test_an_lstm_reads_its_recurrent_weights_at_each_step() -> None:
    passes = step((Lstm(5, every_step=True), Dense(2)), (7, 3), 2)
    found = named(passes)
    assert found["lstm 1 inputs"].flop == 2 * 2 * 7 * 3 * 20
    assert all(found[f"lstm 1 time {t}"].flop == 2 * 2 * 5 * 20 for t in range(7))
    assert accesses(found["lstm 1 time 1"]) == [
        "read lstm 1 state 0 40",
        "read lstm 1 cell 0 40",
        "read lstm 1 recurrent weights 400",
        "update lstm 1 gates 1 160",
        "write lstm 1 cell 1 40",
        "write lstm 1 state 1 40",
    ]
    assert accesses(found["gradients of lstm 1 time 6"])[0] == "read dlstm 1 state 6 of 2 40"
    multiply_adds = networks.cost((Lstm(5, every_step=True), Dense(2)), (7, 3)).multiply_adds
    forward, inputs = 2.0 * 2 * multiply_adds, 2.0 * 2 * 7 * 3 * 20
    assert sum(one.flop for one in passes) == 3 * forward - inputs  # the input of the network needs no gradient
    last = step((Lstm(5), Dense(2)), (7, 3), 2)
    assert accesses(named(last)["gradients of lstm 1 time 6"])[0] == "read dlstm 1 state 6 of 2 40"
    assert "dlstm" not in accesses(named(last)["gradients of lstm 1 time 5"])[0]


@pytest.mark.parametrize("network", NETWORKS)
def test_a_step_has_three_times_the_products_but_the_first_gradient_and_all_parameters(network: str) -> None:
    layers, shape = NETWORKS[network], networks.input_shape(network)
    own, passes = networks.cost_of(network), step(layers, shape, 3)
    through_first = next(one.flop for one in passes if one.flop)
    assert sum(one.flop for one in passes) == 3 * 2 * 3 * own.multiply_adds - through_first
    assert sum(one.size for one in passes[-1].accesses if one.kind == "read") == 4 * own.parameter_count
    (whole,) = prediction(layers, shape, 3)
    assert whole.flop == 2 * 3 * own.multiply_adds
    assert sum(one.size for one in whole.accesses) == 4 * (
        3 * math.prod(shape) + own.parameter_count + 3 * math.prod(own.shape)
    )


def test_winograd_needs_36_multiply_adds_for_16_outputs() -> None:
    layer = Conv(32, 3)
    (forward, _), gradients = step((layer,), (8, 8, 16), 2)[:2], step((layer,), (8, 8, 16), 2)[2]
    assert forward.flop == 2 * 2 * 36 * 9 * 16 * 32
    assert forward.fewest == 2 * 2 * 4 * 36 * 16 * 32  # 6×6 outputs are four tiles of 4×4
    assert gradients.fewest == forward.fewest
    whole = named(step((Conv(16, 1), layer), (10, 10, 1), 1))["gradients of conv 2"]
    assert whole.fewest == 2 * (4 + 9) * 36 * 16 * 32  # 8×8 outputs have four tiles, the gradient of the 10×10 input nine
    for direct in (Conv(32, 3, stride=2), Conv(32, 5), Conv(8, 3)):
        assert work.fewest_multiply_adds(direct, (8, 8, 16), (6, 6)) is None
    assert work.fewest_multiply_adds(layer, (8, 8, 8), (6, 6)) is None
    assert work.fewest_multiply_adds(Conv1d(16, 3, 3), (20, 16), (20,)) == 6 * 6 * 16 * 16  # 7, 7 and 6 steps: two tiles each
    assert work.fewest_multiply_adds(Conv1d(16, 3, 9), (10, 16), (10,)) is None  # nine tiles for ten steps


@pytest.mark.parametrize("network", NETWORKS)
def test_winograd_is_counted_where_pellucid_uses_it(network: str) -> None:
    pytest.importorskip("numba")
    from pellucid.kernels.compiled.convolution import algorithm

    shape = networks.input_shape(network)
    for layer, before in _with_shapes(NETWORKS[network], shape):
        after = networks.cost((layer,), before).shape
        if isinstance(layer, Conv):
            taps = (layer.kernel, layer.kernel, before[-1], layer.filters)
            window = Window(layer.kernel, layer.kernel, layer.stride, layer.stride, layer.padding, layer.padding)
            chosen = algorithm(taps, window, 1, (128, *before), (128, *after))
        elif isinstance(layer, Conv1d):
            taps = (1, layer.kernel, before[-1], layer.filters)
            window = Window(1, layer.kernel, 1, 1, 0, (layer.kernel - 1) * layer.dilation, dw=layer.dilation)
            chosen = algorithm(taps, window, 1, (1, 1, *before), (1, 1, *after))
        else:
            continue
        assert ("winograd" in chosen) == (work.fewest_multiply_adds(layer, before, after[:-1]) is not None), (layer, chosen)


def _with_shapes(layers: Any, shape: Any) -> Any:
    for layer in layers:
        if isinstance(layer, Residual):
            yield from _with_shapes(layer.layers, shape)
            yield from _with_shapes(layer.shortcut, shape)
        elif isinstance(layer, Skip):
            yield from _with_shapes(layer.layers, shape)
        else:
            yield layer, shape
        shape = networks.cost((layer,), shape).shape


def test_distances_by_hand() -> None:
    first = Pass("a", 0, 0, (Access("p", 10), Access("y", 100, "write")))
    second = Pass("b", 0, 0, (Access("q", 1000), Access("y", 100), Access("z", 5, "write")))
    third = Pass("c", 0, 0, (Access("z", 5), Access("p", 10, "update"), Access("all", 7, "read", 5000)))
    assert distances([first, second, third]) == [
        [10 + 7, 100 + 1000],  # "all" was used since p; what is written is read after q
        [1000 + 7 + 10 + 100, 100 + 1000, 5],
        [5, 10 + 1000, 5000],  # y is free after it has been read
    ]


def test_levels_and_their_seconds() -> None:
    assert MACHINE.level_of(1000).name == "L1"
    assert MACHINE.level_of(1001).name == "memory"
    level = Level("L2", 1, read=4, write=2, copy=4, update=8)
    assert level.seconds(8, 0, 0) == 2
    assert level.seconds(0, 8, 0) == 4
    assert level.seconds(8, 8, 0) == 4  # as a copy, and not 2 + 4
    assert level.seconds(12, 8, 0) == 4 + 1
    assert level.seconds(0, 0, 8) == 2  # 16 bytes are moved
    assert Level("L2", 1, 4, 2, copy=1, update=1).seconds(8, 8, 0) == 6  # a copy that is slower than its parts


def test_the_least_time_is_the_longer_of_arithmetic_and_transfers_in_each_pass() -> None:
    computes = Pass("a", 5000.0, 2000.0, (Access("p", 100), Access("y", 100, "write")))  # 5 µs, and 100 ns as a copy
    moves = Pass("b", 1000.0, 1000.0, (Access("y", 100), Access("big", 2000)))  # 1 µs, and 20 µs from the memory
    found = least([computes, moves], MACHINE)
    assert found.ms == pytest.approx(25e-3)
    assert found.arithmetic == pytest.approx(5 / 25)
    assert (found.flop, found.moved) == (6000, 2300)
    assert least([computes, moves], MACHINE, fewest=True).ms == pytest.approx(22e-3)
    assert found.times(10).ms == pytest.approx(0.25)


def test_the_images_of_an_epoch_come_from_the_memory() -> None:
    passes = step((Flatten(), Dense(3)), (2, 2, 1), 5, gathered_from=10_000)
    assert accesses(passes[0]) == ["read images 20", "write x 80"]
    assert distances(passes)[0][0] == 10_000
    assert limits.transfer_seconds(passes[0], distances(passes)[0], MACHINE) == pytest.approx(20 / 1e8)


def test_a_row_has_the_bound_at_its_own_rate_of_products() -> None:
    row = Row("r", "ms", {"pellucid": Cell([0.02]), "torch": Cell([0.1])}, products=Cell([4000.0]))
    row.bound = roofline.bound(row, [Pass("a", 5000.0, 2500.0, ())], MACHINE, repeated=2)
    assert row.bound.flops == pytest.approx(0.5e9)  # 2·1000³ operations in four seconds
    assert row.bound.least == pytest.approx(0.02)
    assert row.share("pellucid") == pytest.approx(1.0)
    assert row.share("torch") == pytest.approx(0.2)
    assert row.share("pellucid", fewest=True) == pytest.approx(0.5)
    assert row.share("jax") is None


def test_the_table_of_shares() -> None:
    bound = Bound(least=2.0, fewest=1.0, arithmetic=0.5, flop=1.0, moved=1.0, flops=1.0)
    rows = [
        Row("a", "ms", {"pellucid": Cell([4.0]), "torch": Cell([100.0])}, bound=bound),
        Row("b", "ms", {"torch": Cell([8.0])}),
        Row("c", "ms", {"torch": Cell([8.0])}, bound=bound),
    ]
    assert limit_shares(rows) == [
        "| | least, ms | arithmetic | pellucid, % | torch, % | least with Winograd, ms | pellucid, % of it |",
        "|---|---:|---:|---:|---:|---:|---:|",
        "| a | 2 | 50 % | 50 | 2 | 1 | 25 |",
        "| c | 2 | 50 % | – | 25 | 1 | – |",
    ]


def test_another_version_has_a_column_and_a_ratio_and_is_no_peer() -> None:
    row = Row("a", "s", {"pellucid": Cell([2.0]), OTHER: Cell([3.0]), "torch": Cell([4.0])}, (OTHER,))
    assert row.best_peer() == "torch"
    assert table([row])[0] == "| | pellucid | before | torch | best peer / pellucid | before / pellucid |"
    assert table([row])[2] == "| a, s | 2 | 3 | **4** | 2.00 | 1.50 |"
    chosen = Settings(against=Path("src")).select([contender("pellucid"), contender("torch")])
    assert [(one.name, one.source, one.baseline) for one in chosen] == [
        ("pellucid", None, False),
        (OTHER, Path("src"), True),
        ("torch", None, False),
    ]
    assert environment.child_environment(Path("/other/src"))["PYTHONPATH"].startswith("/other/src")


def test_only_rows_with_the_text_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def measure(case: Case, workloads: Any, settings: Settings, products: Any) -> Result:
        seen.extend(workload.label for workload in workloads)
        return Result("", "", [Row(workload.label, "ms", {"pellucid": Cell([1.0])}) for workload in workloads])

    monkeypatch.setattr(roofline.harness, "measure", measure)
    monkeypatch.setattr(limits, "measured", lambda: MACHINE)
    case = Case("c", "", (), lambda case, settings: Result("", ""))
    work_of_three = [(Workload(f"batch {n}", "step", {}), [Pass("a", n * 1e6, n * 1e6, ())]) for n in (4, 32, 320)]
    result = roofline.measure(case, work_of_three, Settings(rows=("batch 32", "4 x")))
    assert seen == ["batch 32", "batch 320"]
    assert [row.bound.least for row in result.rows if row.bound] == pytest.approx([32.0, 320.0])


def test_caches_of_all_cores_and_shared_ones_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def facts(cpu: int) -> dict[str, dict[str, str]]:
        found = {}
        for text in ("1 Data 32K own", "1 Instruction 64K own", "2 Unified 1M own", "3 Unified 8M 0-1"):
            level, kind, size, shared = text.replace("own", str(cpu)).split()
            found[text] = {"level": level, "type": kind, "size": size, "shared_cpu_list": shared}
        return found

    monkeypatch.setattr(environment, "_cache_facts", facts)
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda pid: {0, 1}, raising=False)
    assert cache_capacities() == {"L1": 64 << 10, "L2": 2 << 20, "L3": 8 << 20}
    monkeypatch.setattr(environment, "_cache_facts", lambda cpu: {})
    assert cache_capacities()["L1"] >= 32 << 10


def test_the_bandwidth_loops_move_what_they_say() -> None:
    pytest.importorskip("numba")
    from benchmarks.contenders import bandwidth

    a, b = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)
    assert bandwidth._read(a, b, 4) == 28 * (0 + 1 + 2 + 3)
    bandwidth._copy(a, b, 1)
    np.testing.assert_array_equal(b, np.arange(8))
    bandwidth._update(b, a, 1)
    np.testing.assert_array_equal(b, np.arange(8) / 2 + 1)
    bandwidth._write(a, b, 2)
    np.testing.assert_array_equal(a, np.full(8, 2))
    found = bandwidth.bandwidth({"L1": 8 << 10, "L2": 64 << 10}, threads=2, tries=2)
    assert {level: sorted(rates) for level, rates in found.items()} == dict.fromkeys(found, sorted(limits.KINDS))
    assert all(1e6 < rate < 1e13 for rates in found.values() for rate in rates.values())


@pytest.mark.parametrize("pinned", [True, False])
def test_a_cell_goes_from_core_to_core(monkeypatch: pytest.MonkeyPatch, pinned: bool) -> None:
    pytest.importorskip("numba")
    from benchmarks.contenders import core_to_core

    if len(environment.usable_cores()) < 2:
        assert core_to_core.core_to_core(tries=1) is None
        return
    if pinned and not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system does not let threads choose their cores")
    if not pinned:
        monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    monkeypatch.setattr(core_to_core, "ROUND_TRIPS", 500)
    before = environment.usable_cores()
    found = core_to_core.core_to_core(tries=3)
    assert 1e-9 < found["seconds"] < 1
    assert found["cores"] == (list(before[:2]) if pinned else None)
    assert core_to_core.cells[core_to_core.CELL] == 2 * 500
    assert environment.usable_cores() == before, "only the two threads have chosen a core"
    monkeypatch.setattr(core_to_core, "usable_cores", lambda: [3])
    assert core_to_core.core_to_core(tries=3) is None


def test_the_time_from_core_to_core_is_measured_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    values: list[Any] = [{"seconds": 2e-7, "cores": [0, 1]}, None, {"seconds": 5.5e-8, "cores": [0, 1]}]

    def call(name: str, function: str, **arguments: Any) -> Any:
        if not values:
            raise NotInstalled("numba")
        return values.pop(0)

    monkeypatch.setattr(limits, "_call", call)
    distance = limits.CoreToCore()
    distance.measure()
    assert limits.lines_of({"core_to_core": distance.as_json()}) == ["A cache line goes from core 0 to core 1 in 200 ns."]
    for _ in range(3):
        distance.measure()
    plain = {"core_to_core": distance.as_json()}
    assert plain["core_to_core"] == {"lowest": 5.5e-8, "highest": 2e-7, "seconds": [2e-7, 5.5e-8], "cores": (0, 1)}
    span = "in 55 to 200 ns (2 measurements during the run)."
    assert limits.lines_of(plain) == [f"A cache line goes from core 0 to core 1 {span}"]
    distance.cores = None
    both = limits.lines_of({"limits": limits.as_json(MACHINE), "core_to_core": distance.as_json()})
    assert both[0].startswith("Limits of the machine")
    assert both[-2:] == ["", f"A cache line goes between threads that the system may move {span}"]
    assert limits.lines_of({}) == []


def test_a_run_saves_the_time_from_core_to_core(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = [1e-7, 3e-7, 2e-7]
    monkeypatch.setattr(limits, "_call", lambda *_, **__: {"seconds": values.pop(0), "cores": None})
    cases = {name: Case(name, "", (), lambda case, _: Result(case.name, "")) for name in ("one", "two")}
    monkeypatch.setattr(command, "CASES", cases)
    assert command.main(["one", "two", "--out", str(tmp_path)]) == 0
    saved = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert saved["core_to_core"] == {"lowest": 1e-7, "highest": 3e-7, "seconds": [1e-7, 3e-7, 2e-7], "cores": None}
    assert "in 100 to 300 ns (3 measurements during the run)" in (tmp_path / "results.md").read_text(encoding="utf-8")


def test_the_model_is_that_of_the_readme() -> None:
    """The counts in the README: 36 of 144, 6 of 12, 16 channels."""
    readme = (Path(limits.__file__).parent / "README.md").read_text(encoding="utf-8")
    tile, products = work.TILE, work.TILE_PRODUCTS
    assert f"{products**2} multiply-adds for {tile}×{tile} outputs instead of {9 * tile**2}" in readme
    assert f"at least {work.MIN_CHANNELS} channels" in re.sub(r"\s+", " ", readme)


def test_the_first_use_has_an_empty_cache_and_then_a_full_one(monkeypatch: pytest.MonkeyPatch) -> None:
    caches: list[tuple[bool, str]] = []

    def run(command: list[str], **options: Any) -> Any:
        folder = Path(options["env"]["NUMBA_CACHE_DIR"])
        assert options["env"]["XDG_CACHE_HOME"].startswith(str(folder.parent))
        caches.append((folder.exists(), command[3]))
        folder.mkdir(exist_ok=True)
        return subprocess.CompletedProcess(command, 0, 'compiling\n{"step": 2.0, "epoch": 3.0}\n', "")

    monkeypatch.setattr(first_use.subprocess, "run", run)
    messages: list[str] = []
    settings = Settings(repeats=2, pause=0.0, notify=messages.append, rows=("mlp",), against=Path("src"))
    result = first_use.CASE.run(first_use.CASE, settings)
    assert caches == [(False, "mlp"), (True, "mlp")] * 4  # two versions, twice
    assert [row.label for row in result.rows] == list(first_use.labels("mlp"))
    assert result.rows[0].cells["pellucid"].values == [2.0, 2.0]
    assert result.rows[1].cells[OTHER].values == [3.0, 3.0]


def test_a_first_use_that_fails_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_use, "PRESETS", ("no-such-preset",))
    result = first_use.CASE.run(first_use.CASE, Settings(repeats=1, pause=0.0, notify=[].append))
    (failure,) = result.failures
    assert failure.row == "no-such-preset, empty cache"
    assert "KeyError" in failure.stderr[-1]
