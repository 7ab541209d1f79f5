"""Rows of a table, added to by number: what the gradient of a look-up is. (The look-up itself is ``gather``, in batches.)"""

from __future__ import annotations

import numpy as np

from pellucid.core.memory import Array


def scatter_add(values: Array, rows: Array, out: Array) -> Array:
    """out[rows[i]] += values[i] for each i (m), one after the other, so that rows may repeat; values (m, c), out (k, c)."""
    np.add.at(out, rows, values)
    return out
