"""Gradients that are computed in place.

A gradient kernel may write over its argument dy. LLVM does not vectorize a loop that may write to an array which it also reads
under another name. So the gradient is computed in place, in ``out``, after dy has been copied there if it is another array.
"""

from __future__ import annotations

from pellucid.core.memory import Array
from pellucid.kernels.compiled.vector_ops import copy


def copied(dy: Array, out: Array) -> Array:
    """Return ``out``, flat, with dy copied into it."""
    if out is not dy:
        copy(dy.reshape(-1), out.reshape(-1))
    return out.reshape(-1)
