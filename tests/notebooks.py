"""Generate the notebooks of all pages with Python code and execute them: ``make notebooks``, or for some pages

    python -m tests.notebooks docs/text.md docs/examples/denoising.md

Pages of the course run as they are. For the other pages, a cell that is removed afterwards replaces ``mnist()`` by 2,400
digits, and examples have the small sizes of tests/test_examples.py, as in the tests of the same pages.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import os
import posixpath
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.test_examples import SIZES

ROOT = Path(__file__).parent.parent
LIMIT = 300  # seconds for one notebook
LARGEST = 2_000_000  # bytes: a notebook with its outputs should open at once everywhere
FEW_DIGITS = """
import dataclasses
import pellucid.data

def few_digits(*_args, _whole=pellucid.data.mnist, **_options):
    whole = _whole()
    parts = {part: getattr(whole, part).limit(count) for part, count in (("train", 2000), ("validation", 200), ("test", 200))}
    return dataclasses.replace(whole, **parts)

pellucid.data.mnist = pellucid.data.load = few_digits
"""

_specification = importlib.util.spec_from_file_location("pages_as_notebooks", ROOT / "docs" / "pages_as_notebooks.py")
maker = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(maker)


def pages() -> list[str]:
    """Return the pages in docs/ that have Python code, by their paths in the project."""
    found = sorted((ROOT / "docs").rglob("*.md"))
    return [path.relative_to(ROOT).as_posix() for path in found if maker.has_code(path.read_text(encoding="utf-8"))]


def generate(page: str) -> nbformat.NotebookNode:
    """Return the notebook of a page."""
    path = ROOT / page
    return maker.notebook(path.relative_to(ROOT / "docs").as_posix(), path.read_text(encoding="utf-8"), path.parent)


def execute(page: str, limit: float = LIMIT) -> nbformat.NotebookNode:
    """Return the notebook of a page with its outputs. A cell that fails is an error."""
    made = copy.deepcopy(generate(page))
    whole = page.startswith("docs/course/")
    for cell in made.cells:
        if cell.cell_type == "code":
            for name, value in SIZES.get(Path(page).stem, {}).items() if "/examples/" in page else ():
                cell.source = re.sub(rf"^{name} = .*$", f"{name} = {value}", cell.source, flags=re.MULTILINE)
    if not whole:
        made.cells.insert(0, nbformat.v4.new_code_cell(FEW_DIGITS))
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            made,
            timeout=limit,
            startup_timeout=180,  # on a busy machine
            kernel_name="python3",
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
            resources={"metadata": {"path": folder}},
        ).execute()
    if not whole:
        del made.cells[0]
    made.metadata.pop("widgets", None)
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # the times of the steps: they would differ each time
    nbformat.validate(made)
    return made


def save(page: str, out: Path) -> tuple[float, int]:
    """Execute the notebook of a page and write it. Return the seconds that it took and its size in bytes."""
    start = time.monotonic()
    text = nbformat.writes(execute(page)).encode()
    path = out / posixpath.relpath(maker.place(page.removeprefix("docs/")), maker.FOLDER)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return time.monotonic() - start, len(text)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("pages", nargs="*", help="such as docs/text.md; all pages with code by default")
    parser.add_argument("--out", type=Path, default=Path("runs/notebooks"), help="the folder of the executed notebooks")
    parser.add_argument("--jobs", type=int, default=2, help="how many are executed at the same time")
    chosen = parser.parse_args(arguments)
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in (str(ROOT / "src"), os.environ.get("PYTHONPATH")) if path)
    failed, start = [], time.monotonic()
    # a process for each notebook: nbclient leaves tasks in the event loop, which have ended a later notebook
    with ProcessPoolExecutor(chosen.jobs, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        waiting = {pool.submit(save, page, chosen.out): page for page in chosen.pages or pages()}
        for done in as_completed(waiting):
            page = waiting[done]
            try:
                seconds, size = done.result()
            except Exception as error:  # of the code of the page, or of the kernel
                failed.append(page)
                lines = re.sub(r"\x1b\[[\d;]*m", "", str(error)).splitlines()
                print(f"{page}: {type(error).__name__}", *lines[-20:], sep="\n    ", flush=True)
                continue
            if size > LARGEST:
                failed.append(f"{page}: larger than {LARGEST:,} bytes")
            print(f"{seconds:6.1f} s {size / 1000:7.0f} kB  {page}", flush=True)
    print(f"{time.monotonic() - start:6.1f} s in all; {len(failed)} failed {failed or ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
