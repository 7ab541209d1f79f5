"""Recipes that are chosen by the data: a network, its loss, its optimizer and its fit options, all that a training needs.

- ``tables.py``: the recipe for tables, one for the command line, the preset ``table`` and the scikit-learn estimators
"""
