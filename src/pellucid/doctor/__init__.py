"""The doctor: findings about data, networks and trainings that explain why a result is bad, and what to try.

- ``finding.py``: one finding
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
