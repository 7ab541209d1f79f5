"""What stands in front of the report's chapters. Paragraphs are apart by an empty line; indented ones are formulas."""

from __future__ import annotations

PREFACES: dict[str, str] = {}
