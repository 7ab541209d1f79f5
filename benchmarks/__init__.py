"""Benchmarks: Pellucid and other libraries (its peers), measured side by side in one run: ``python -m benchmarks --help``.

- ``cases/`` has one file for each benchmark, ``contenders/`` one file for each way of using a library;
- ``harness`` starts the contenders as processes (``session``) and measures them in turn;
- ``worker`` and ``jobs`` run inside the process of a contender;
- ``results`` and ``report`` hold and write the results.

``README.md`` lists the rules of fairness. Everything that runs in the parent process (all but ``worker``, ``jobs``,
``network_jobs``, ``data``, ``reference`` and ``contenders``) imports only the standard library, so that the harness does
not compute or use memory beside the libraries that it measures.
"""
