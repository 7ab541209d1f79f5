"""Runs: trainings from settings to a run folder, and sweeps and comparisons of several runs.

The path of one run:

- ``plan``: the settings, named like the flags of ``pellucid train``, and the plan that follows from them
- ``presets``: the named networks and optimizers
- ``recipe``: a network, its optimizer and its fit options, in one object
- ``task``: classification, segmentation, regression or forecasting, by the training data: last layer, loss and metrics
- ``run``: prepare, train, write
- ``forecasts``: forecasts of a series beside those of simple methods
- ``folder``: the files of a run folder
- ``table_report``: the report on a model of a table
- ``examination``: the findings of the doctor on a run, and the search for wrong labels with a recipe
- ``energy``: the energy that a run uses

Several runs:

- ``sweep``: a grid of settings and seeds
- ``comparison``: mistakes, disagreements and significance tests of several models
- ``processes``: parallel processes, for sweeps and experiments
"""
