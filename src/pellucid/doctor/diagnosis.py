"""A diagnosis: the findings of an examination, in the order of the checks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, overload

from pellucid.doctor.finding import Finding


class Diagnosis(Sequence[Finding]):
    """A list of findings. ``left_out`` says which checks could not be made, and why.

    Its text has one line for each finding; notebooks show a table.
    """

    def __init__(self, findings: Iterable[Finding] = (), left_out: Iterable[str] = ()):
        self.findings = tuple(findings)
        self.left_out = tuple(left_out)

    def __len__(self) -> int:
        return len(self.findings)

    @overload
    def __getitem__(self, index: int) -> Finding: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Finding]: ...
    def __getitem__(self, index: Any) -> Any:
        return self.findings[index]

    def __add__(self, other: Diagnosis) -> Diagnosis:
        """Return the findings of both."""
        return Diagnosis(self.findings + other.findings, self.left_out + other.left_out)

    @property
    def kinds(self) -> list[str]:
        """The kinds of the findings, each once."""
        return list(dict.fromkeys(finding.kind for finding in self.findings))

    def record(self) -> list[dict[str, Any]]:
        """Return the findings as plain JSON."""
        return [finding.record() for finding in self.findings]

    def __str__(self) -> str:
        lines = [str(finding) for finding in self.findings] or ["no findings"]
        return "\n".join([*lines, *(f"not checked: {text}" for text in self.left_out)])

    def __repr__(self) -> str:
        return f"Diagnosis({len(self)} findings{': ' if self.kinds else ''}{', '.join(self.kinds)})"

    def _repr_html_(self) -> str:
        from pellucid import notebook

        rows = [
            (one.kind, one.where, "" if one.since is None else str(one.since), one.text, one.advice) for one in self.findings
        ]
        table = notebook.table(("kind", "where", "since epoch", "what was measured", "what to try"), rows, texts=5)
        left_out = [notebook.paragraph(f"Not checked: {text}.") for text in self.left_out]
        return notebook.section("Diagnosis", table if rows else notebook.paragraph("No findings."), *left_out)
