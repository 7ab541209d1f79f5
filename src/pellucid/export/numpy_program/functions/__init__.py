"""The NumPy functions that programs contain.

An exported program contains the source text of those functions that its network needs. They use nothing else of Pellucid and
run on Python 3.9 and later. In all of them, the batch is the first axis, and channels or features are the last. The same
formulas, for training, are in ``kernels/reference``.
"""
