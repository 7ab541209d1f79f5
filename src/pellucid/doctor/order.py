"""The order of findings of several examinations: first what makes results wrong, then causes before their effects."""

from __future__ import annotations

from pellucid.doctor.diagnosis import Diagnosis

ORDER = (
    # Nothing can be learned, or scores say something else than they seem to.
    "nan-in-data",
    "divergence",
    "not-finite",
    "constant-inputs",
    "constant-target",
    "shared-samples",
    "leaked-target",
    "missing-class",
    "contradicting-labels",
    "wrong-labels",
    # Learning is slow or fails: what the network reads, what happens in it, and what the curves show of it.
    "target-outliers",
    "outliers",
    "wild-scales",
    "offset-inputs",
    "large-inputs",
    "tiny-inputs",
    "initial-loss",
    "dead-relu",
    "saturated-activation",
    "exploding-gradient",
    "vanishing-gradient",
    "large-update",
    "rate-too-high",
    "small-update",
    "rate-too-low",
    "stopped-learning",
    "cannot-overfit",
    "plateau",
    # The result could be better.
    "overfitting",
    "blank-samples",
    "shifted-targets",
    "shifted-inputs",
    "repeated-samples",
    "few-samples",
    "unequal-classes",
    "mostly-missing",
    "constant-column",
    "same-column",
)


def most_serious_first(*diagnoses: Diagnosis) -> Diagnosis:
    """Return the findings of all examinations in this order. Of findings with the same kind and place, the first is kept."""
    found = [finding for diagnosis in diagnoses for finding in diagnosis]
    kept = {(finding.kind, finding.where): finding for finding in reversed(found)}
    findings = [finding for finding in found if kept[finding.kind, finding.where] is finding]
    left_out = dict.fromkeys(text for diagnosis in diagnoses for text in diagnosis.left_out)
    rank = {kind: i for i, kind in enumerate(ORDER)}
    return Diagnosis(sorted(findings, key=lambda finding: rank.get(finding.kind, len(ORDER))), left_out)
