"""Tables in CSV files.

- ``csv_file.py``: the rows of a CSV file as text, and the meaning of a cell;
- ``columns.py``: the columns that a model is trained on, and its input stage for tables;
- ``column_types.py``: which columns of a file are numbers or categories, and whether the target is a class or a number;
- ``frame.py``: the rows of a data frame as text;
- ``encoding.py``: rows of text as arrays of numbers;
- ``reading.py``: data sets from CSV files (``read_csv``).
"""
