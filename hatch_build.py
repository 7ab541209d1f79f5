"""The wheel with prebuilt kernels: with ``PELLUCID_PREBUILT=1`` in the environment, libraries for the processors of this
architecture are built (``pellucid.kernels.build``) and put into the wheel. Its tag names the systems where they run then."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PREBUILT = os.environ.get("PELLUCID_PREBUILT") == "1"


class PrebuiltKernels(BuildHookInterface):  # type: ignore[misc]
    def dependencies(self) -> list[str]:
        """Return what building needs besides hatchling."""
        return ["numpy>=2.0", "numba>=0.60", "safetensors>=0.4", "threadpoolctl>=3.5"] if PREBUILT else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the libraries to a wheel; an editable installation keeps Numba."""
        if not PREBUILT or self.target_name != "wheel" or version == "editable":
            return
        sys.path.insert(0, str(Path(self.root, "src")))
        from pellucid.kernels.build import build, platform_tag

        self._folder = tempfile.TemporaryDirectory()
        libraries = build(Path(self._folder.name))
        for path in libraries:
            build_data["force_include"][str(path)] = f"pellucid/kernels/libraries/{path.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag(libraries)}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was built."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()
