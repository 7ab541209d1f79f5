"""Results that nobody measured, for drawn states and the comparison of libraries: what the verdicts must say of them."""

from __future__ import annotations


def _state(share: float, same: float, error: float = 1e-6):
    return {"share": share, "same": same, "error": error}


def _libraries(ours: float, theirs: float, seconds: float):
    return {"Pellucid": {"accuracy": [ours], "seconds": 1.0}, "scikit-learn": {"accuracy": [theirs], "seconds": seconds}}


# name of the experiment -> (results, what the verdict says of them)
PLANTED = {
    "a-few-lines-carry-the-answer": [
        ([_state(0.7, 0.97)], "holds"),
        ([_state(0.4, 0.97)], "does not hold"),
        ([_state(0.7, 0.8)], "does not hold"),
        ([_state(0.7, 0.97, error=0.1)], "does not hold"),
    ],
    "beside-other-libraries": [
        ([_libraries(0.97, 0.968, 3.0)], "holds"),
        ([_libraries(0.95, 0.968, 3.0)], "does not hold"),
        ([_libraries(0.97, 0.968, 0.8)], "does not hold"),
    ],
}
