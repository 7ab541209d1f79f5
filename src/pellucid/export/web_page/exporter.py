"""The web page of a trained network: one HTML file with the network, which needs no server and requests nothing.

The page's own Content-Security-Policy allows its one script and its one style sheet, by their SHA-256, and nothing else: no
request, no other script, no form that is sent.
"""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from pellucid.core.files import write_text
from pellucid.core.version import __version__
from pellucid.errors import ConfigError, FileError
from pellucid.export.plain.javascript_program import javascript_program, script_json
from pellucid.export.trained_network import TrainedNetwork
from pellucid.export.web_page.description import describe_input, describe_output
from pellucid.export.web_page.scripts import joined, read
from pellucid.losses import Loss

SUFFIXES = (".html", ".htm")
GENERATOR = '<meta name="generator" content="Pellucid '
FIRST = {  # the module that begins the page, by the kind of input
    "drawing": "draw",
    "pictures": "pictures",
    "maps": "maps",
    "table": "table",
    "series": "series",
    "numbers": "numbers",
}
_READ = 4096  # bytes at the beginning of a file, where an export has its generator


def to_html(
    path: str | Path,
    trained: TrainedNetwork,
    loss: Loss | None = None,
    *,
    title: str | None = None,
    card: Mapping[str, str] | None = None,
    layers: Mapping[type, Any] | None = None,
) -> None:
    """Write a web page that computes predictions in the browser, such as ``digits.html``.

    ``title`` is its heading, ``card`` what it says about the network, by name: ``{"Accuracy": "98.3 % on the test set"}``.
    ``layers`` maps your own layer classes to their emitters. An earlier export of the same name is replaced; any other file is
    not.

    Raises ConfigError for another ending than .html and .htm, for a layer class without an emitter, and for inputs and outputs
    that no page has; FileError if the file cannot be written or replaced.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: the name of a web page ends with .html, as in digits.html")
    text = html_text(trained, loss, title=path.stem if title is None else title, card=card or {}, layers=layers)
    _check_replaceable(path)
    write_text(path, text)


def html_text(
    trained: TrainedNetwork, loss: Loss | None, *, title: str, card: Mapping[str, str], layers: Mapping[type, Any] | None = None
) -> str:
    """Return the text of the page. Equal models give equal texts. Raises the ConfigErrors of :func:`to_html`."""
    asked = describe_input(trained)
    page = {"title": title, "input": asked, "output": describe_output(trained, loss)}
    generated = {
        "page": f"export const PAGE = {script_json(page)};\n",
        "network": _network_script(trained, layers),
    }
    script, style = joined(FIRST[asked["kind"]], generated), read("page.css")
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src {_source(script)}",
            f"style-src {_source(style)}",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    return Template(read("template.html")).substitute(
        generator=f'{GENERATOR}{__version__}">',
        policy=policy,
        title=html.escape(title),
        style=style,
        card=_card(trained, card),
        network=_layers(trained),
        version=__version__,
        script=script,
    )


def _network_script(trained: TrainedNetwork, layers: Mapping[type, Any] | None) -> str:
    """Return the module with ``predict``."""
    return javascript_program(trained, layers).replace("\nfunction predict(", "\nexport function predict(")


def _source(text: str) -> str:
    """Return the source expression of a Content-Security-Policy that allows a script or a style sheet with this text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _card(trained: TrainedNetwork, card: Mapping[str, str]) -> str:
    """Return the lines about the network as HTML."""
    count = sum(array.size for array in trained.arrays.values())
    lines = {"Parameters": f"{count:,}", **card}
    return "\n".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in lines.items())


def _layers(trained: TrainedNetwork) -> str:
    """Return a table with the layers and the shapes of their outputs as HTML."""
    steps, _ = trained.steps()
    rows = [(step.name, str(step.layer), " × ".join(map(str, step.shape))) for step in steps]
    return "\n".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)


def _check_replaceable(path: Path) -> None:
    """Raise FileError if the file exists and is not an earlier export."""
    if not os.path.exists(path):
        return
    try:
        with open(path, "rb") as file:
            start = file.read(_READ)
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}") from error
    if GENERATOR.encode() not in start:
        raise FileError(f"{path} exists and was not written by export_html: choose another name")
