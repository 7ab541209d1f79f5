"""Text: tokens, and the samples of networks that predict the next one.

- ``tokenizer.py``: the base class of tokenizers (``Tokenizer``)
- ``characters.py``, ``byte_pairs.py``: one token for each character; byte-pair encoding
- ``choosing.py``: the tokenizer that a user chooses
- ``stage.py``: the input stage that carries the tokenizer into model files (``Tokens``)
- ``running_text.py``: windows of a text, their split by place, and their draw at random places (``windows``)
- ``lines.py``: lines as samples (``line_samples``)
- ``reading.py``: text files and folders of them (``read_text``, ``read_lines``)
"""

from pellucid.core import lazy

__getattr__, __dir__, __all__ = lazy.attach(__name__, __file__)
