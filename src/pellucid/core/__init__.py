"""Foundations that do not depend on neural networks.

- ``config``: settings as frozen dataclasses, the check of their values, and their JSON form.
- ``memory``: slots, and layouts that map their names onto one flat vector.
- ``rng``: named, reproducible streams of random numbers.
- ``free_memory``: the memory that is left, checked before something large is allocated.
- ``files``: files that are written atomically, and the checked container of model files.
- ``locks``: locks between processes.
- ``json_text``: results, NumPy arrays included, as JSON text.
- ``lazy``: exports that are imported on first use.
- ``version``: the version of the library.
"""
