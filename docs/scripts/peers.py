"""Print the programs of docs/coming-from.md for one library as one script: the page says with which versions they were run.

    python docs/scripts/peers.py PyTorch > pytorch_tasks.py

The script is to be run in an environment that has this library and scikit-learn, in an empty folder: it writes model files.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "coming-from.md"
LABELS = ("Pellucid", "Keras", "PyTorch", "scikit-learn")


def script(label: str) -> str:
    """Return the code that loads the data, and the programs under ``label``."""
    text = PAGE.read_text(encoding="utf-8")
    loading = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert loading is not None
    parts = [loading[1]]
    # a program is between its label and the next label or heading; a line such as "# a comment" in it has one character "#"
    for section in re.split(r"^(?=\*\*[\w-]+\*\*$|## )", text, flags=re.MULTILINE):
        if section.startswith(f"**{label}**"):
            parts += re.findall(r"```py(?:thon)?\n(.*?)```", section, re.DOTALL)
    return "\n".join(parts)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in LABELS:
        sys.exit(f"usage: python docs/scripts/peers.py {'|'.join(LABELS)}")
    print(script(sys.argv[1]), end="")
