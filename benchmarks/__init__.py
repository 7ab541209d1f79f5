"""Pellucid and its peers, measured side by side in one run: ``python -m benchmarks --help``.

``harness`` starts and questions the contenders, ``worker`` and ``jobs`` are the contender's end of the line, a file in
``cases`` is one benchmark, a file in ``contenders`` is one way of doing the work, and ``results`` and ``report`` are
what comes out. ``README.md`` has the rules of fairness.

What runs in the parent (everything but ``worker``, ``jobs``, ``data`` and ``contenders``) imports the standard library
only: the harness must neither compute nor take memory beside those that it measures.
"""
