"""The mutants of mutation testing: what is changed, what is left out, and what a change makes of the code."""

from __future__ import annotations

import re

import pytest
from mutants import code_objects, mutants_of, mutated

pytest.importorskip("resource", reason="limits of processes are a part of Unix")
from tests.mutation.run import interval

SOURCE = '''
from __future__ import annotations

FACTOR: float = 2.0


class Scale:
    """Multiply by 3."""

    power: int = 1

    def __repr__(self) -> str:
        return "x" * (1 + 1)

    def apply(self, x, out=None):
        """Return x · 2."""
        if len(x) < 1:
            raise ValueError(f"{1 + 1} values")
        hint = "a" if x else "b"
        y = np.sum(x, axis=0, out=out).reshape(-1)
        y[...] *= FACTOR
        return y if x and self.power else -y
'''

CHANGES = {
    "module: 2.0 -> 3.0",
    "Scale: 1 -> 2",
    "Scale.apply: if len(x) < 1 -> if False",
    "Scale.apply: len(x) < 1 -> len(x) <= 1",
    "Scale.apply: 1 -> 2",
    "Scale.apply: -1 -> 1",
    "Scale.apply: 0 -> 1",
    "Scale.apply: np.sum(x, axis=0, out=out) -> np.mean(x, axis=0, out=out)",
    "Scale.apply: np.sum(x, axis=0, out=out) -> np.sum(x, out=out)",
    "Scale.apply: y[...] *= FACTOR -> pass",
    "Scale.apply: y[...] *= FACTOR -> y[...] /= FACTOR",
    "Scale.apply: if x and self.power -> if False",
    "Scale.apply: if x and self.power -> if True",
    "Scale.apply: x and self.power -> x or self.power",
    "Scale.apply: -y -> y",
}


def test_the_changes_of_a_file(tmp_path):
    (tmp_path / "scale.py").write_text(SOURCE)
    mutants = mutants_of(tmp_path, "scale.py")
    assert {f"{m.function}: {m.before} -> {m.after}" for m in mutants} == CHANGES
    assert len(mutants) == len(CHANGES) == len({m.key for m in mutants})
    assert {m.function for m in mutants if not m.in_function} == {"module", "Scale"}


def test_a_change_keeps_the_places_of_the_functions(tmp_path):
    (tmp_path / "scale.py").write_text(SOURCE)
    places = [(code.co_qualname, code.co_firstlineno) for code in code_objects(compile(SOURCE, "scale.py", "exec"))]
    for mutant in mutants_of(tmp_path, "scale.py"):
        code = compile(mutated(SOURCE, mutant.index), "scale.py", "exec")
        assert [(inner.co_qualname, inner.co_firstlineno) for inner in code_objects(code)] == places
        assert code != compile(SOURCE, "scale.py", "exec")


def test_lines_may_move_without_new_names(tmp_path):
    (tmp_path / "scale.py").write_text(SOURCE)
    before = [mutant.name for mutant in mutants_of(tmp_path, "scale.py")]
    (tmp_path / "scale.py").write_text('"""A docstring."""\n\n' + SOURCE)
    assert [mutant.name for mutant in mutants_of(tmp_path, "scale.py")] == before


def test_the_interval_of_several_rooms_contains_their_rate():
    rooms = [(1397, 249, 247), (450, 430, 429), (666, 95, 94), (951, 173, 173), (3035, 697, 692), (1778, 371, 371)]
    rate, low, high = map(float, re.findall(r"[\d.]+", interval(rooms)))
    assert low < rate < high, "the centres of the single intervals are nearer to one half than their rates"
    assert interval(rooms[:1]) == "99.2 % (97.0–99.8)"
