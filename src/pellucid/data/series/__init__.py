"""Series: rows in the order of time, and the windows of consecutive rows that a forecasting network reads.

- ``layout.py``: which columns of a series are predicted, and how far;
- ``windows.py``: the windows of an array, and their split in time (``windows``, ``split_windows``);
- ``times.py``: the column with the time of each row, and the times after the last row;
- ``reading.py``: series from CSV files (``read_series``).
"""
