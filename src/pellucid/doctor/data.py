"""The doctor's look at data: everything about samples and targets that explains a bad result before any training."""

from __future__ import annotations

import numpy as np

from pellucid.data.dataset import Dataset, Splits
from pellucid.doctor.columns import column_findings
from pellucid.doctor.diagnosis import Diagnosis
from pellucid.doctor.inputs import inputs_of, parts_of, targets_of
from pellucid.doctor.order import most_serious_first
from pellucid.doctor.samples import sample_findings
from pellucid.doctor.shift import shift_findings
from pellucid.doctor.targets import target_findings
from pellucid.errors import DataError


def diagnose_data(data: Dataset | Splits) -> Diagnosis:
    """Return the findings on a data set, or on the three sets of an experiment, the most serious first.

    A data set alone is examined as a training set. Three sets are compared, too: samples that are in two of them, classes that
    one lacks, other distributions. Nothing is trained. The documentation lists the kinds of findings with their thresholds,
    which are those of :mod:`pellucid.doctor.data_kinds`.

    Raises DataError for anything but a Dataset or Splits.
    """
    if not isinstance(data, (Dataset, Splits)):
        raise DataError(f"diagnose_data takes a Dataset or Splits, not {type(data).__name__}: use from_arrays(x, y) for arrays")
    sets = parts_of(data)
    inputs, targets = inputs_of(sets), targets_of(sets)
    with np.errstate(all="ignore"):  # numbers near the limits of float64
        found = [finding for one in inputs for finding in column_findings(one)]
        found += sample_findings(inputs, targets)
        found += [finding for target in targets for finding in target_findings(target, inputs)]
        found += shift_findings(inputs, targets)
    return most_serious_first(Diagnosis(found))
