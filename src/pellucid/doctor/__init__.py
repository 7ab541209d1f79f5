"""The doctor: findings about data, networks and trainings that explain why a result is bad, and what to try.

- ``finding.py``, ``kinds.py``, ``diagnosis.py``: one finding, the kinds with their thresholds, a list of findings
- ``diagnose.py``: the examination of a network on data, from ``measurement.py`` and ``overfitting_trial.py``
- ``watch.py``: the examination of a training while it runs
- ``symptoms.py``, ``curves.py``: what measurements and learning curves show; ``flat_sides.py`` and ``levels.py`` help
- ``data.py``: findings on data; ``inputs.py`` is what they read, ``data_kinds.py`` their thresholds, ``columns.py``,
  ``samples.py``, ``targets.py`` and ``shift.py`` the checks
- ``labels.py``: labels that are probably wrong, found by training
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
