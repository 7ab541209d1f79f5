"""The prebuilt library is built here: ``python -m pellucid.kernels.build FOLDER [CPU…]``, which takes a minute on two cores.

For each processor (``x86-64-v3``, ``x86-64-v4``, or ``generic`` for AArch64; without names: those of this architecture), a
process has Numba compile the functions of ``signatures.txt`` as on such a processor. Each compiled function becomes an object
file; calls between them are those of symbols (``indirect_calls.by_symbol``). The C compiler links these files and ``runtime.c``
to ``FOLDER/CPU.so``. Nothing but what :mod:`~pellucid.kernels.prebuilt` reads is exported.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pellucid.kernels import prebuilt

HERE = Path(__file__).parent
SIGNATURES = HERE / "signatures.txt"
CPUS = {"x86_64": ("x86-64-v3", "x86-64-v4"), "aarch64": ("generic",)}
# What simd.py asks for; the rest follows from the name. For "x86-64-v4" LLVM would prefer vectors of half the width.
FEATURES = {"x86-64-v3": "+avx", "x86-64-v4": "+avx512f,-prefer-256-bit", "generic": "+neon"}

RESULTS = ("none", "f8", "i8")  # what runtime.c has memory for
OLDEST_C_LIBRARY = 2, 17  # of the platform tags: 64-bit ARM has no older one
SYSTEM = re.compile(r"libc\.so\.6|libm\.so\.6|ld-linux-.*")  # what a library may need


def compiler_settings(cpu: str) -> dict[str, str]:
    """Return the environment of a process in which Numba compiles the kernels as in the library for this processor."""
    return {
        "NUMBA_CPU_NAME": cpu,
        "NUMBA_CPU_FEATURES": FEATURES[cpu],
        "NUMBA_DISABLE_INTEL_SVML": "1",  # a library of its own, where it is installed
        "PELLUCID_PREBUILT": "0",
    }


def build(folder: Path, cpus: Iterable[str] = (), signatures: Path = SIGNATURES) -> list[Path]:
    """Build the libraries for these processors, all at once, and return their files.

    Raises RuntimeError on other systems than Linux, for a processor that is not in FEATURES, and where building fails.
    """
    machine = platform.machine()
    if not sys.platform.startswith("linux"):
        raise RuntimeError(f"prebuilt kernels are for Linux: none can be built on {sys.platform}")
    cpus = tuple(cpus) or CPUS.get(machine, ())
    if not cpus:
        raise RuntimeError(f"there are prebuilt kernels for {' and '.join(CPUS)}, none for {machine}")
    if unknown := [cpu for cpu in cpus if cpu not in CPUS.get(machine, ())]:
        raise RuntimeError(f"kernels for {unknown[0]} cannot be built on {machine}: {', '.join(CPUS.get(machine, ('none',)))}")
    folder.mkdir(parents=True, exist_ok=True)
    paths, processes = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for cpu in cpus:
            paths.append(folder / f"{cpu}.so")
            settings = {
                **compiler_settings(cpu),
                "NUMBA_CACHE_DIR": os.path.join(temporary, cpu),  # code with calls of symbols is for no other cache
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            }
            program = "from pellucid.kernels.build import main; main()"
            command = [sys.executable, "-P", "-c", program, cpu, str(paths[-1]), str(signatures)]
            processes.append(subprocess.Popen(command, env=os.environ | settings))
        codes = [process.wait() for process in processes]
    if any(codes):
        raise RuntimeError(f"the libraries could not be built: {codes}")
    return paths


def platform_tag(libraries: Iterable[Path]) -> str:
    """Return the platform tag of a wheel with these libraries: ``manylinux_X_Y_…`` (PEP 600) with the lowest version of the C
    library, glibc, that has all symbols which they need; with another C library, that of this system.

    Raises RuntimeError for a library that needs more than the C library.
    """
    needed = [OLDEST_C_LIBRARY]
    for path in libraries:
        command = ["readelf", "--dynamic", "--version-info", "--wide", str(path)]
        listing = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}).stdout
        names = re.findall(r"\(NEEDED\) .*\[(.+)\]", listing)
        versions = re.findall(r"Name: (\S+) +Flags", listing)
        found = [re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", version) for version in versions]
        if not versions:
            return sysconfig.get_platform().replace("-", "_").replace(".", "_")
        if others := [name for name in names if not SYSTEM.fullmatch(name)]:
            raise RuntimeError(f"{path.name} needs {', '.join(others)}, which not every Linux has")
        if unknown := [version for version, one in zip(versions, found, strict=True) if one is None]:
            raise RuntimeError(f"{path.name} needs {', '.join(unknown)}, which has no platform tag")
        needed += [(int(one[1]), int(one[2])) for one in found if one]
    major, minor = max(needed)
    return f"manylinux_{major}_{minor}_{platform.machine()}"


def main() -> None:
    """Build one library, in a process whose environment names the processor."""
    cpu, path = sys.argv[1], Path(sys.argv[2])
    from pellucid.kernels.compiled import atomics, indirect_calls, simd

    indirect_calls.by_symbol = True
    for function in _functions():
        function.targetoptions["no_cpython_wrapper"] = True
    entries: list[tuple[str, Any]] = []
    for line in Path(sys.argv[3]).read_text().splitlines():
        name, *kinds = line.split(" ")
        module, _, function_name = name.partition(".")
        function = getattr(importlib.import_module(f"pellucid.kernels.compiled.{module}"), function_name)
        types = tuple(_type_of(kind) for kind in kinds)
        function.compile(types)
        compiled = function.overloads[types]
        entries.append((f"{line} {_result_of(line, compiled)}", compiled))
    with tempfile.TemporaryDirectory() as temporary:
        objects = _write_objects([compiled for _, compiled in entries], cpu, Path(temporary))
        source = Path(temporary, "library.c")
        source.write_text(prebuilt.RUNTIME.read_text() + _tables(entries))
        replay = next(_symbol(compiled) for line, compiled in entries if line.startswith("tape._replay "))
        macros = {"CELLS": atomics.NUM_CELLS, "VECTOR_BYTES": simd.VECTOR_BYTES, "REPLAY": f'"{replay}"'}
        macros |= {"FLOATS": prebuilt.FLOATS, "INTEGERS": prebuilt.SIZES[-1]}
        macros["SIZE_OF(n)"] = ":".join([*(f"(n)<={size}?{size}" for size in prebuilt.SIZES), "0"])
        if cpu.startswith("x86"):
            macros["CPU"] = f'"{cpu}"'
        flags = [f"-D{name}={value}" for name, value in macros.items()]
        options = ["-shared", "-fPIC", "-O2", "-s", "-fvisibility=hidden", "-Wl,--gc-sections,--exclude-libs,ALL,-Bsymbolic"]
        exported = Path(temporary, "exported")
        exported.write_text(
            "{ global: pellucid_cells; pellucid_entries; pellucid_runs_here; pellucid_stamp; pellucid_vector_bytes; "
            "pellucid_signatures; pellucid_functions; local: *; };"
        )
        options.append(f"-I{sysconfig.get_path('include')}")
        options.append(f"-Wl,--version-script={exported}")
        subprocess.run([os.environ.get("CC", "gcc"), *options, *flags, "-o", path, source, *objects, "-lm"], check=True)
    ctypes.CDLL(str(path), os.RTLD_NOW)  # fails if the library needs what neither it nor Python has
    print(f"{path}: {len(entries)} signatures, {path.stat().st_size / 1000:.0f} kB")


def _functions() -> Iterator[Any]:
    """Return all functions that are to be compiled."""
    from pellucid.kernels.compiled.toolchain import CPUDispatcher

    for name, module in list(sys.modules.items()):
        if name.startswith("pellucid.kernels.compiled."):
            yield from (value for value in vars(module).values() if isinstance(value, CPUDispatcher))


def _type_of(kind: str) -> Any:
    """Return Numba's type of a kind of argument: see :mod:`pellucid.kernels.prebuilt`."""
    from numba import types

    from pellucid.kernels.window import Window

    scalars = {
        "f4": types.float32,
        "f8": types.float64,
        "i8": types.int64,
        "u1": types.uint8,
        "u4": types.uint32,
        "u8": types.uint64,
        "b1": types.boolean,
    }
    if kind == "Window":
        return types.NamedUniTuple(types.int64, len(Window._fields), Window)
    if kind.startswith("("):
        return types.Tuple([_type_of(one) for one in kind[1:-1].split(",")])
    if kind in scalars:
        return scalars[kind]
    element, _, shape = kind.partition("x")
    return types.Array(scalars[element], int(shape.rstrip("A")), "A" if shape.endswith("A") else "C")


def _result_of(line: str, compiled: Any) -> str:
    """Return the kind of the result of the function in this line. Raises ValueError for one that no call from Python reads."""
    from pellucid.kernels.compiled.jit import kind_of_result

    kind = kind_of_result(compiled)
    if kind not in RESULTS:
        raise ValueError(f"{line!r}: the result is {kind}, and Python can only call functions with {', '.join(RESULTS)}")
    return kind


def _symbol(compiled: Any) -> str:
    return str(compiled.fndesc.llvm_func_name)


def _write_objects(entries: list[Any], cpu: str, folder: Path) -> list[Path]:
    """Write the object files of these compiled functions, and of all that they call; return the files."""
    import llvmlite.binding as llvm

    target = llvm.Target.from_triple(llvm.get_process_triple())
    features = os.environ["NUMBA_CPU_FEATURES"]
    machine = target.create_target_machine(cpu=cpu, features=features, opt=3, reloc="pic", codemodel="small")
    known = {_symbol(compiled): compiled for function in _functions() for compiled in function.overloads.values()}
    needed, found = [_symbol(compiled) for compiled in entries], dict[str, Path]()
    while needed:
        symbol = needed.pop()
        if symbol in found:
            continue
        module = known[symbol].library._final_module
        found[symbol] = folder / f"{len(found)}.o"
        found[symbol].write_bytes(machine.emit_object(module))
        needed += [one.name for one in module.functions if one.is_declaration and one.name in known]
    return list(found.values())


def _tables(entries: list[tuple[str, Any]]) -> str:
    """Return the stamp and the tables of the functions in C: their signatures, and their addresses in the same order."""
    lines = ["", f"EXPORT const char pellucid_stamp[] = {json.dumps(prebuilt.stamp())};"]
    lines += ["EXPORT const char pellucid_signatures[] ="]
    lines += [f'    "{line}\\n"' for line, _ in entries]
    lines[-1] += ";"
    lines += [f'extern char function{k} __asm__("{_symbol(compiled)}");' for k, (_, compiled) in enumerate(entries)]
    lines += ["EXPORT const void *const pellucid_functions[] = {"]
    lines += [f"    &function{k}," for k in range(len(entries))]
    return "\n".join([*lines, "};", ""])


if __name__ == "__main__":
    for file in build(Path(sys.argv[1]), sys.argv[2:]):
        print(file)
