"""Images in files and folders.

- ``image_file.py``: one image file, decoded to an array of bytes;
- ``folders.py``: a folder with one subfolder for each class, as a data set (``read_folder``).
"""
