"""``pellucid generate``: a language model writes on from a prompt."""

from __future__ import annotations

import sys

import typer

from pellucid.cli import options
from pellucid.cli.common import echo, print_json, report_errors
from pellucid.data.text import Tokens
from pellucid.errors import ConfigError, DataError
from pellucid.model.text import tokens_of
from pellucid.runs.folder import open_run

BETWEEN = "---"  # several texts


@report_errors
def generate(
    run: options.Run,
    prompt: list[str] = typer.Option(
        [],
        "--prompt",
        metavar="TEXT",
        help="The text to go on from; - reads it from standard input. May be given several times.  [default: a new line]",
    ),
    length: int = typer.Option(500, "--length", help="The number of tokens to write, at most."),
    temperature: float = typer.Option(
        1.0, "--temperature", help="Below 1, likely tokens become more likely; 0 takes the most likely one."
    ),
    top_k: int | None = typer.Option(None, "--top-k", metavar="K", help="Draw from the K most likely tokens only."),
    top_p: float | None = typer.Option(
        None, "--top-p", metavar="P", help="Draw from the most likely tokens only whose probabilities add up to P."
    ),
    seed: int = typer.Option(0, "--seed", help="Selects the random numbers."),
    count: int = typer.Option(1, "--count", help="The number of texts for each prompt: with the seeds SEED, SEED + 1, …"),
    stop: list[str] = typer.Option([], "--stop", metavar="TEXT", help="End before this text. May be given several times."),
    json: options.Json = False,
) -> None:
    """Write text with a language model, after a prompt.

    A single text is printed as it is written. Ctrl-C ends it, and what was written stays. A model of lines ends at the end of a
    line, so that each text is one.
    """
    model, _ = open_run(run)
    stage = tokens_of(model.input_stage)
    if count < 1:
        raise ConfigError(f"--count {count}: expected the number of texts for each prompt, 1 or more")
    given = [_read(one) for one in prompt or [_default_prompt(stage)]]
    prompts = [one for one in given for _ in range(count)]
    seeds = [seed + k for _ in given for k in range(count)]
    written = [""] * len(prompts)
    steps = model.generate(
        prompts,
        length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seeds,
        stop=[*stop] if stop else None,
    )
    streams = len(prompts) == 1 and not json
    try:
        if streams:
            _print(prompts[0])
        for pieces in steps:
            written = [text + (piece or "") for text, piece in zip(written, pieces, strict=True)]
            if streams:
                _print(pieces[0] or "")
    finally:
        if streams:
            echo()
        elif json:
            print_json([{"prompt": before, "text": text} for before, text in zip(prompts, written, strict=True)])
        else:
            between = "\n" if stage.separator is not None else f"\n{BETWEEN}\n"
            echo(between.join(before + text for before, text in zip(prompts, written, strict=True)))


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _default_prompt(stage: Tokens) -> str:
    """Return what a text begins after: nothing for a model of lines, a new line for others."""
    if stage.separator is not None:
        return ""
    try:
        stage.tokenizer.encode("\n")
    except DataError:
        raise ConfigError("texts begin after a new line, which the vocabulary lacks: give one, --prompt TEXT") from None
    return "\n"


def _read(prompt: str) -> str:
    """Return the prompt, or standard input for -."""
    if prompt != "-":
        return prompt
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise DataError(f"standard input is not a text in the encoding {error.encoding}: {error.reason}") from None
