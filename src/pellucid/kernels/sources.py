"""The source files of the compiled kernels, and their stamp: with it, compiled code of other sources is recognized."""

from __future__ import annotations

import hashlib
from pathlib import Path

KERNELS = Path(__file__).parent / "compiled"


def source_stamp(folder: Path) -> str:
    """Return a hash of the Python files in a folder, which changes whenever the content of one of them does.

    Their times are not part of it: a file that is copied, or unpacked from the image of a container, may have another time.
    """
    content = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        source = path.read_bytes()
        content.update(f"{path.name} {len(source)} ".encode() + source)
    return content.hexdigest()
