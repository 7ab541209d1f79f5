"""The report as pages of Markdown: one for each chapter, with figures beside them, and one with all verdicts."""

from __future__ import annotations

from pathlib import Path

from pellucid.core.files import write_text
from pellucid.errors import FileError
from pellucid.report.contents import Chapter, Contents, Section, is_formula, paragraphs


def write_markdown(found: Contents, folder: str | Path) -> list[Path]:
    """Writes ``index.md``, a page for each chapter and ``figures/*.svg`` into ``folder``; returns what was written. Raises
    FileError."""
    folder = Path(folder)
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot make the folder {folder}: {error.strerror or error}") from error
    files = {folder / "index.md": _index(found)}
    for chapter in found.chapters:
        files[folder / f"{chapter.anchor}.md"] = _chapter(chapter)
        files |= {folder / "figures" / f"{section.name}.svg": section.svg for section in chapter.sections}
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def _index(found: Contents) -> str:
    lines = ["# What holds of what is taught", ""]
    lines += [f"- {what}: {text}" for what, text in found.circumstances]
    lines += ["", "| question | verdict |", "|---|---|"]
    for chapter in found.chapters:
        lines.append(f"| **{chapter.title}** | |")
        for section in chapter.sections:
            lines.append(f"| [{section.experiment.question}]({chapter.anchor}.md#{section.name}) | {section.verdict.says} |")
    if found.missing:
        lines += ["", f"Not measured: {', '.join(found.missing)}."]
    return "\n".join(lines) + "\n"


def _chapter(chapter: Chapter) -> str:
    parts = [f"# {chapter.title}", *map(_paragraph, chapter.preface)]
    for section in chapter.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> list[str]:
    one, cells = section.experiment, section.table
    rows = [cells.columns, ("---",) * len(cells.columns), *cells.rows]
    return [
        f'<a id="{section.name}"></a>',
        f"## {one.question}",
        f"> {one.claim}\n>\n> {one.source} ({', '.join(one.codes)})",
        *map(_paragraph, paragraphs(one.mathematics)),
        f"**Criterion.** {one.criterion}",
        f"![{one.alt}](figures/{section.name}.svg)",
        "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
        f"**{section.verdict.says.capitalize()}**: {section.verdict.because}.",
        f"Again: `{section.command}` ({section.took})",
    ]


def _paragraph(text: str) -> str:
    return f"```text\n{text}\n```" if is_formula(text) else text
