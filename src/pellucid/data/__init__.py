"""Data sets: reading, splitting, augmentation, and batches for training.

- ``dataset.py``: a set of samples (``Dataset``), and the three sets of an experiment (``Splits``)
- ``arrays.py``: a data set from arrays in memory (``from_arrays``)
- ``reconstruction.py``: images that are their own targets
- ``checks.py``: the checks of the parts of a data set
- ``input_stage.py``: the conversion of samples to the values that a network reads
- ``augmentation.py``, ``photographs.py``: random changes to training images; ``augmentation_text.py``: their form as text
- ``sample_augmentation.py``: what they have in common, and functions of the user as augmentations
- ``geometry.py``, ``target_maps.py``: class maps that are changed like their images
- ``batches.py``: the data loader for arrays; ``stream.py``, ``prefetch.py``: batches from a program
- ``planar.py``: small problems in the plane, such as the two moons
- ``row_file.py``: rows that may need more space than the memory has
- ``sources/``: data sets by name, downloads, and user data
- ``images/``: image files and folders of images (``read_image``, ``read_folder``)
- ``tables/``: CSV files (``read_csv``)
- ``series/``: windows of series in the order of time (``read_series``, ``windows``)
- ``text/``: tokenizers, windows of texts, lines (``read_text``, ``read_lines``)
- ``drawings/``: drawings of digits as strokes and as images
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
