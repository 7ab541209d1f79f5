"""Check that a version is ready to be released, and print its part of the changelog: ``python .ci/release.py v0.2.0``.

The workflow of releases calls this with the tag. It needs the standard library alone. Exits with a list of what is missing.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECTION = re.compile(r"^## \[(?P<version>[^\]]+)\](?: - (?P<date>\S+))?\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def written_versions(root: Path = ROOT) -> dict[str, str]:
    """Return the version by each place in which it is written."""
    found = {"pyproject.toml": str(tomllib.loads(_read(root / "pyproject.toml"))["project"]["version"])}
    for name, pattern in (("src/pellucid/core/version.py", r'__version__ = "(.+)"'), ("CITATION.cff", r"(?m)^version: (.+)$")):
        match = re.search(pattern, _read(root / name))
        found[name] = match[1] if match else "none"
    return found


def sections(root: Path = ROOT) -> dict[str, tuple[str | None, str]]:
    """Return the date and the text of each version in the changelog."""
    found = SECTION.finditer(_read(root / "CHANGELOG.md"))
    return {one["version"]: (one["date"], one["text"].strip() + "\n") for one in found}


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """Return what keeps the version of a tag from being released."""
    version = tag.removeprefix("v")
    wrong = [f"{place} has the version {one}, not {version}" for place, one in written_versions(root).items() if one != version]
    if not re.fullmatch(r"v\d+\.\d+\.\d+", tag):
        wrong.append(f"the tag {tag} is not of the form v0.2.0")
    date, text = sections(root).get(version, (None, ""))
    if not text.strip():
        wrong.append(f"CHANGELOG.md has no section [{version}]")
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", date or ""):
        wrong.append(f"the section [{version}] of CHANGELOG.md has no date, such as 2026-12-24")
    files = root / "tests" / "model" / "files" / version.rpartition(".")[0]
    if not files.is_dir():
        wrong.append(f"{files.relative_to(root).as_posix()} is missing: python -m tests.model.files.make writes it")
    return wrong


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def main() -> None:
    """Print the notes of the version whose tag is the argument."""
    tag = sys.argv[1]
    if wrong := problems(tag):
        sys.exit("\n".join(wrong))
    sys.stdout.buffer.write(sections()[tag.removeprefix("v")][1].encode())


if __name__ == "__main__":
    main()
