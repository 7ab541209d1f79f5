"""The parts of the program of a language model: it writes on from a text, or from tokens.

The program remembers nothing of what it has read: for each token it computes the whole window again. Its windows and its random
numbers are those of ``Model.generate`` (:mod:`pellucid.model.generation`), so that it writes the same.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from pellucid.data.text import CharacterTokenizer, Tokens
from pellucid.export.numpy_program.python_source import WIDTH, literal
from pellucid.export.trained_network import TrainedNetwork
from pellucid.layers import Softmax
from pellucid.networks import primitives, trailing_layers

NAMES = {"VOCABULARY", "SEPARATOR", "generate", "logits"}  # that the programs of language models define
LENGTH = 500  # tokens that the command writes, as ``pellucid generate``


@dataclass(frozen=True)
class Writing:
    """What the program of a language model has to know to write.

    - ``window``: the number of tokens that the network reads at once, at most.
    - ``tokens``: the number of different tokens.
    - ``per_position``: whether there are outputs at each position of a window, not only at its end.
    - ``shorter``: whether the network reads windows of any length up to ``window``.
    - ``of_text``: whether it was trained on text.
    - ``vocabulary``: the characters of the tokens, if each token is one.
    - ``separator``: the token before the first and after the last one of a line; None without lines.
    """

    window: int
    tokens: int
    per_position: bool
    shorter: bool
    of_text: bool
    vocabulary: str | None
    separator: int | None

    @property
    def always_full(self) -> bool:
        """Whether the network always reads the last ``window`` tokens, after separators if there are fewer."""
        return not (self.shorter or self.per_position)


def writing_of(trained: TrainedNetwork) -> Writing | None:
    """Return how the network writes; None unless it is a language model.

    These are the networks that ``Model.generate`` accepts, without classifiers: networks with names of classes, or with another
    number of outputs than of tokens that they read.
    """
    if trained.ports.several or len(trained.input_shape) != 1 or trained.classes is not None:
        return None
    stage = trained.input_stage
    first = next((layer for _, layer in primitives(trained.network)), None)
    read = len(stage.tokenizer) if isinstance(stage, Tokens) else getattr(first, "entries", 0)
    *positions, tokens = trained.output_shape
    ends_in_softmax = isinstance((None, *trailing_layers(trained.network))[-1], Softmax)
    if not (
        ends_in_softmax and hasattr(first, "entries") and 2 <= tokens == read and positions in ([], [*trained.input_shape])
    ):
        return None
    of_text = isinstance(stage, Tokens)
    characters = stage.tokenizer if isinstance(stage, Tokens) else None
    return Writing(
        window=trained.input_shape[0],
        tokens=tokens,
        per_position=bool(positions),
        shorter=trained.network.continues,
        of_text=of_text,
        vocabulary=characters.vocabulary if isinstance(characters, CharacterTokenizer) else None,
        separator=stage.separator if isinstance(stage, Tokens) else None,
    )


def constants(writing: Writing) -> list[str]:
    """Return the lines of the vocabulary and of the token between lines."""
    lines = []
    if writing.vocabulary is not None:
        lines += _string("VOCABULARY", writing.vocabulary)
    if writing.separator is not None:
        lines.append(f"SEPARATOR = {writing.separator}  # the token before and after each line")
    return lines


def _string(name: str, text: str) -> list[str]:
    """Return the lines of a string constant: in pieces, if it is too long for one line."""
    if _columns(f"{name} = {literal(text)}") <= WIDTH:
        return [f"{name} = {literal(text)}"]
    pieces, start = [], 0
    for end in range(1, len(text) + 1):
        if end == len(text) or _columns(f"    {literal(text[start : end + 1])}") > WIDTH:
            pieces.append(f"    {literal(text[start:end])}")
            start = end
    return [f"{name} = (", *pieces, ")"]


def _columns(line: str) -> int:
    """Return the number of columns of a line, in which the characters of East Asian scripts are wide."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in line)


def generate(writing: Writing) -> str:
    """Return the source of the function ``generate``."""
    of_characters = writing.vocabulary is not None
    kind, piece = ("str", "characters") if of_characters else ("list[int]", "tokens")
    lines = [
        "def generate(",
        f"    prompt: {kind},",
        "    length: int,",
        "    temperature: float = 1.0,",
        "    top_k: int | None = None,",
        "    top_p: float | None = None,",
        "    seed: int = 0,",
        f") -> Iterator[{'str' if of_characters else 'int'}]:",
        f'    """Yield the {piece} that follow the prompt, one by one, at most `length` of them.',
        "",
        "    temperature: below 1, likely tokens become more likely; 0 takes the most likely one.",
        "    top_k: only so many tokens, the most likely ones, may be drawn. top_p: only as few",
        "    of these as have this probability together. seed: selects the random numbers.",
        '    """',
        "    check_settings(length, temperature, top_k, top_p)",
        f"    tokens = {_tokens(writing)}",
        f"    check_tokens(tokens, {writing.tokens})",
        *_reading(writing),
        "        token = draw(z, chance(seed, len(tokens)), temperature, top_k, top_p)",
    ]
    if writing.separator is not None:
        lines += ["        if token == SEPARATOR:  # the end of the line", "            return"]
    written = "VOCABULARY[token]" if of_characters else "token"
    return "\n".join([*lines, "        tokens.append(token)", f"        yield {written}"])


def _tokens(writing: Writing) -> str:
    """Return the expression of the tokens of the prompt."""
    if writing.vocabulary is None:
        return "list(prompt)"
    encoded = "encode(prompt, VOCABULARY)"
    return encoded if writing.separator is None else f"[SEPARATOR, *{encoded}]"


def _reading(writing: Writing) -> list[str]:
    """Return the loop over the tokens to write, up to the logits z of the next one."""
    window = writing.window
    if writing.always_full:
        before, check = f"[SEPARATOR] * ({window} - len(tokens)) + ", list[str]()
        if writing.separator is None:
            before = ""
            check = [
                f"    if len(tokens) < {window}:",
                f'        raise ValueError(f"the prompt must have at least {window} tokens, got {{len(tokens)}}")',
            ]
        return [
            *check,
            "    for _ in range(length):",
            f"        x = {before}tokens[-{window}:]",
            "        z = logits(np.array([x], np.float32), WEIGHTS)[0]",
        ]
    lines = [
        f"    start = max(0, len(tokens) - {window})  # of the window of {window} tokens",
        "    for _ in range(length):",
        f"        if len(tokens) - start > {window}:  # it is full: go on with its second half",
        f"            start = len(tokens) - {max(1, window // 2)}",
        "        x = tokens[start:]",
    ]
    if writing.shorter:
        last = "[0, -1]" if writing.per_position else "[0]"
        return [*lines, f"        z = logits(np.array([x], np.float32), WEIGHTS){last}"]
    return [
        *lines,
        "        last = len(x) - 1",
        f"        x += x[-1:] * ({window} - len(x))  # the network reads full windows",
        "        z = logits(np.array([x], np.float32), WEIGHTS)[0, last]",
    ]


def usage(writing: Writing, name: str, python: list[str], shell: list[str]) -> list[str]:
    """Return the lines of the module's docstring that show how the program writes and predicts.

    ``python`` are the lines about predictions. ``shell`` are those about the command of a program that predicts.
    """
    fewest = writing.window if writing.always_full and writing.separator is None else 1
    if writing.vocabulary is not None:
        letters = "".join(one for one in writing.vocabulary if one.isalnum())[-3:] or "..."
        prompt = f'"{(letters * fewest)[: max(3, fewest)]}"'
        given, call = prompt, f'"".join({name}.generate({prompt}, 200, temperature=0.8))'
    else:
        prompt = "[0]" if fewest == 1 else f"[0] * {fewest}"
        given, call = " ".join("0" * fewest), f"list({name}.generate({prompt}, 200, temperature=0.8))"
    if writing.of_text:
        shell = ["", "In a shell:", "", f"    python {name}.py --prompt {given} --length 200 --temperature 0.8"]
    same = [
        "",
        "The function `generate` draws the tokens that model.generate of Pellucid draws with the",
        "same seed, unless the rounding of a last digit decides between two of them.",
    ]
    return [f"    {call}", *python, *shell, *same]


def main(writing: Writing) -> list[str]:
    """Return the source of the command of the program."""
    if writing.vocabulary is not None:
        kind, default = "", None
        if writing.separator is not None:
            default = ""
        elif "\n" in writing.vocabulary:
            default = "\n"
        given = "required=True" if default is None else f"default={literal(default)}"
        what = "the text to go on from"
        written = [
            "    characters = generate(**settings)",
            '    print(settings["prompt"] + next(characters, ""), end="")',
            "    for character in characters:",
            '        print(character, end="", flush=True)',
            "    print()",
        ]
    else:
        kind = 'type=int, nargs="+", '
        given = "required=True" if writing.separator is None else "default=[SEPARATOR]"
        what = "the tokens to go on from"
        written = ['    print(*settings["prompt"], *generate(**settings))']
    lines = [
        "def main() -> None:",
        '    """Print a prompt and what follows it."""',
        "    parser = argparse.ArgumentParser(description=main.__doc__)",
        "    parser.error = sys.exit  # with one line, without the usage",
        "    add = parser.add_argument",
        f'    add("--prompt", {kind}{given}, help="{what}")',
        f'    add("--length", type=int, default={LENGTH}, help="tokens to write, at most")',
        '    add("--temperature", type=float, default=1.0, help="0 takes the most likely token")',
        '    add("--top-k", type=int, metavar="K", help="draw from the K most likely tokens")',
        '    add("--top-p", type=float, metavar="P", help="draw from those of probability P")',
        '    add("--seed", type=int, default=0, help="selects the random numbers")',
        "    settings = vars(parser.parse_args())",
        "    try:",
        *(f"    {line}" for line in written),
        "    except ValueError as error:",
        "        sys.exit(str(error))",
    ]
    return ["\n".join(lines), 'if __name__ == "__main__":\n    main()']
