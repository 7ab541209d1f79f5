"""A figure that shows itself in a notebook, with its alternative text, without pyplot and its settings."""

from __future__ import annotations

import base64
import html
import io

from matplotlib.figure import Figure

DPI = 160  # sharp on screens with small pixels, too


class Shown(Figure):
    """A matplotlib Figure in all else. Its label is the alternative text: :func:`pellucid.plots.alt`."""

    def _repr_html_(self) -> str:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=DPI)
        data, wide = base64.b64encode(file.getvalue()).decode(), round(72 * self.get_figwidth())
        text = html.escape(str(self.get_label()))
        return f'<img alt="{text}" style="max-width:100%;width:{wide}px" src="data:image/png;base64,{data}">'
