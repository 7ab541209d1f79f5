"""The exports of ``pellucid.data.text``: read by type checkers, and at run time by :mod:`pellucid.core.lazy`."""

from pellucid.data.sources.texts import names as names, tinyshakespeare as tinyshakespeare
from pellucid.data.text.byte_pairs import BytePairTokenizer as BytePairTokenizer
from pellucid.data.text.characters import CharacterTokenizer as CharacterTokenizer
from pellucid.data.text.lines import line_samples as line_samples, split_lines as split_lines
from pellucid.data.text.reading import read_lines as read_lines, read_text as read_text
from pellucid.data.text.running_text import split_windows as split_windows, windows as windows
from pellucid.data.text.stage import Tokens as Tokens
from pellucid.data.text.tokenizer import Tokenizer as Tokenizer
