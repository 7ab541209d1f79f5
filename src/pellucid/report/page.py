"""The report as one HTML file that loads nothing from other servers, with a light and a dark theme and a style for printing."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from pellucid.core.files import write_text
from pellucid.errors import ConfigError
from pellucid.report.contents import Contents, is_formula, paragraphs


def write_page(found: Contents, path: str | Path) -> None:
    """Write the report to ``path``. Raises ConfigError without Jinja2, and FileError if the file cannot be written."""
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup, escape
    except ImportError:
        raise ConfigError("the report needs Jinja2: pip install 'pellucid[lab]'") from None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["paragraphs"] = paragraphs
    environment.tests["formula"] = is_formula
    environment.filters["prose"] = lambda text: Markup(re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", str(escape(text))))
    environment.filters["data_uri"] = lambda svg: "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
    template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    write_text(Path(path), template.render(report=found, style=style))
