"""What the kernels are compiled with: Numba and LLVM. Where the prebuilt library is used, nothing is compiled: neither is
imported, and the names are placeholders."""

from __future__ import annotations

from typing import Any

from pellucid.kernels import prebuilt

library = prebuilt.library()
llvm: Any  # LLVM itself: llvmlite.binding

if library is None:
    import llvmlite.binding
    import numba as numba
    from llvmlite import ir as ir
    from numba import types as types
    from numba.core import cgutils as cgutils, config as config
    from numba.core.registry import CPUDispatcher as CPUDispatcher
    from numba.extending import intrinsic as intrinsic

    llvm = llvmlite.binding
else:

    class _Nothing:
        """It can be called, and its attributes are itself: the files of the kernels define types and code of LLVM with it."""

        def __call__(self, *_: Any, **__: Any) -> Any:
            return self

        def __getattr__(self, name: str) -> Any:
            return self

    llvm = numba = ir = types = cgutils = config = intrinsic = _Nothing()
    CPUDispatcher = object  # its subclasses are defined, and not used
