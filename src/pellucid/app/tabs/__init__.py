"""The tabs of the page.

The module named like a tab has a function ``routes(state)`` that returns the routes of the tab. Modules whose names continue
that of a tab (``train_queue.py``) belong to it.
"""
