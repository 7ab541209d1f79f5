"""Drawings: strokes of a pen, and their images in the form of MNIST.

- ``strokes.py``: the classes and the valid form of a drawing
- ``rendering.py``: a drawing or a scan as an image in the form of MNIST (``digit``)
- ``pen_digits.py``: digits that people wrote on a tablet, a published data set (``pendigits``)
- ``non_digits.py``: random drawings that are not digits, from the templates in ``non_digits.txt``
- ``image_cache.py``: the images of drawings that were made before, in the cache folder of the user
- ``corrections.py``: drawings that a network misclassified, with their true labels
"""
