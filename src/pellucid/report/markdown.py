"""The report as pages of Markdown: an index of all verdicts, one page per chapter, and the figures."""

from __future__ import annotations

from pathlib import Path

from pellucid.core.files import write_text
from pellucid.errors import FileError
from pellucid.report.contents import Chapter, Contents, Section, is_formula, paragraphs


def write_markdown(found: Contents, folder: str | Path) -> list[Path]:
    """Write ``index.md``, one page per chapter and ``figures/*.svg`` into ``folder``, and return the paths of all files.

    Raises FileError if a file cannot be written.
    """
    folder = Path(folder)
    try:
        (folder / "figures").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot create the folder {folder}: {error.strerror or error}") from error
    files = {folder / "index.md": _index(found)}
    for chapter in found.chapters:
        files[folder / f"{chapter.anchor}.md"] = _chapter(chapter)
        files |= {folder / "figures" / f"{section.name}.svg": section.svg for section in chapter.sections}
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def _index(found: Contents) -> str:
    """Return the page with the environment and all verdicts."""
    lines = ["# Claims and verdicts", ""]
    lines += [f"- {label}: {text}" for label, text in found.environment]
    lines += ["", "| question | verdict |", "|---|---|"]
    for chapter in found.chapters:
        lines.append(f"| **{chapter.title}** | |")
        for section in chapter.sections:
            link = f"[{section.experiment.question}]({chapter.anchor}.md#{section.name})"
            lines.append(f"| {link} | {section.verdict.outcome} |")
    if found.missing:
        lines += ["", f"Not measured: {', '.join(found.missing)}."]
    return "\n".join(lines) + "\n"


def _chapter(chapter: Chapter) -> str:
    parts = [f"# {chapter.title}", *map(_paragraph, chapter.preface)]
    for section in chapter.sections:
        parts += _section(section)
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> list[str]:
    experiment, table = section.experiment, section.table
    rows = [table.columns, ("---",) * len(table.columns), *table.rows]
    return [
        f'<a id="{section.name}"></a>',
        f"## {experiment.question}",
        f"> {experiment.claim}\n>\n> {experiment.source} ({', '.join(experiment.codes)})",
        *map(_paragraph, paragraphs(experiment.mathematics)),
        f"**Criterion.** {experiment.criterion}",
        f"![{experiment.alt}](figures/{section.name}.svg)",
        "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
        f"**{section.verdict.outcome.capitalize()}**: {section.verdict.reason}.",
        f"To repeat: `{section.command}` ({section.duration})",
    ]


def _paragraph(text: str) -> str:
    return f"```text\n{text}\n```" if is_formula(text) else text
