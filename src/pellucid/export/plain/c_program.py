"""A network as C99: the texts of its files, which need no library but that of C."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping

import numpy as np

from pellucid.core.version import __version__
from pellucid.data.input_stage import ImageScaling, InputStage
from pellucid.data.tables.columns import TableStage
from pellucid.export.plain.calls import PlainEmitter
from pellucid.export.plain.int8 import Int8
from pellucid.export.plain.plan import Place, Plan, Port, make_plan
from pellucid.export.plain.source_text import WIDTH, call_lines, filled, plain_text
from pellucid.export.trained_network import TrainedNetwork

SIGNATURE = "Written by Pellucid"  # in the first line of every file, so that a new export replaces an earlier one only
FILES = ("network.h", "network.c", "main.c", "Makefile")
SOURCES = ("network.c", "main.c")
CODE_OF_DTYPE = {"float32": ("float", "%.9gf"), "float64": ("double", "%.17g"), "int8": ("signed char", "%d")}


def c_program(
    trained: TrainedNetwork, layers: Mapping[type, PlainEmitter] | None = None, int8: Int8 | None = None
) -> dict[str, str]:
    """Return the texts of the files of a C program by name: network.h, network.c, main.c and Makefile.

    ``layers`` maps your own layer classes to emitters, see :mod:`pellucid.export.plain.calls`. With ``int8``, dense layers and
    convolutions have weights of 8 bits.
    """
    plan = make_plan(trained, "c", layers, None if int8 is None else int8.adapt)
    return dict(zip(FILES, (header(plan), source(plan), main(plan), MAKEFILE), strict=True))


def header(plan: Plan) -> str:
    """Return network.h: sizes, memory, class names and the declaration of predict."""
    trained = plan.trained
    lines = [
        f"/* {SIGNATURE} {__version__}: {plain_text(str(trained.network))}",
        "",
        f"   {declaration(plan)}",
        *_paragraph(
            "computes the outputs of one sample. It returns 0, or 1 for an input that it refuses: NaN, infinity, or an index "
            "that an embedding does not have. Then the outputs are not valid. It uses no memory but the weights and the "
            "workspace below. All calls use the same workspace: do not call it from two threads at the same time."
        ),
        "",
    ]
    for port, (_, stage) in zip(plan.inputs, trained.inputs.values(), strict=True):
        lines += _paragraph(f"{port.variable}: {_numbers(port)}, {_input_form(stage)}")
    for port in plan.outputs:
        lines += _paragraph(f"{port.variable}: {_numbers(port)}, what Model.predict returns. It must not overlap an input.")
    lines += [
        "",
        *_paragraph(f"Memory: {_memory(plan)}. */"),
        "",
        "#ifndef PELLUCID_NETWORK_H",
        "#define PELLUCID_NETWORK_H",
        "",
    ]
    lines += [f"#define {macro(port)} {port.size}" for port in (*plan.inputs, *plan.outputs)]
    lines += [f"#define WEIGHT_BYTES {plan.weight_bytes}", f"#define WORKSPACE_BYTES {4 * plan.workspace}", ""]
    lines += ["#ifdef __cplusplus", 'extern "C" {', "#endif", ""]
    for port, names in _classes(plan):
        lines += [f"#define {_classes_macro(plan, port)}_COUNT {len(names)}"]
        lines += [f"extern const char *const {_classes_macro(plan, port)}[{len(names)}];", ""]
    return "\n".join([*lines, f"{declaration(plan)};", "", "#ifdef __cplusplus", "}", "#endif", "", "#endif", ""])


def _paragraph(text: str) -> list[str]:
    """Return the lines of a paragraph in a comment."""
    return textwrap.wrap(text, WIDTH, initial_indent="   ", subsequent_indent="   ", break_long_words=False)


def _memory(plan: Plan) -> str:
    """Return the memory that the network needs, in words."""
    size = sum(array.nbytes for array in plan.weights.values() if array.dtype == np.int8)
    integers = f", of which {size:,} bytes are weights of 8 bits" if size else ""
    return f"{plan.weight_bytes:,} bytes of constants{integers}, and {4 * plan.workspace:,} bytes of workspace"


def source(plan: Plan) -> str:
    """Return network.c: the functions that the network needs, the weights, and predict."""
    lines = [
        f"/* {SIGNATURE} {__version__}. */",
        "",
        '#include "network.h"',
        "",
        "#include <math.h>",
        "#include <stdint.h>",
        "#include <string.h>",
        "",
        *functions(plan.library.needed(plan.functions)),
    ]
    for port, names in _classes(plan):
        texts = filled([c_string(name) for name in names])
        lines += [f"const char *const {_classes_macro(plan, port)}[{len(names)}] = {{", *texts, "};", ""]
    return "\n".join([*lines, *weights(plan), *predict(plan), ""])


def functions(sources: Iterable[str]) -> list[str]:
    """Return the lines of functions, with a blank line after each."""
    return [line for text in sources for line in (text, "")]


def weights(plan: Plan) -> list[str]:
    """Return the lines that define the constant arrays."""
    lines = []
    for name, array in plan.weights.items():
        kind, code = CODE_OF_DTYPE[array.dtype.name]
        shape = ", ".join(map(str, array.shape))
        numbers = filled([_literal(code % value) for value in array.ravel().tolist()])
        lines += [f"/* ({shape}) */", f"static const {kind} {name}[{array.size}] = {{", *numbers, "};", ""]
    return lines


def predict(plan: Plan, name: str = "predict") -> list[str]:
    """Return the lines of the workspace and of the function predict."""
    lines = []
    workspace = "workspace" if name == "predict" else f"{name}_workspace"
    if plan.workspace:
        lines += ["/* The values between the layers. Those that are not needed at the same time share memory. */"]
        lines += [f"static float {workspace}[{plan.workspace}];", ""]
    lines += [declaration(plan, name), "{"]
    lines += [f"    float *const {one.name} = {workspace} + {one.offset};" for one in plan.places if not one.port]
    for stage in plan.stages:
        lines += ["", f"    /* {plain_text(stage.comment)} */"]
        for call in stage.calls:
            arguments = [_argument(one) for one in call.arguments]
            start, end = (f"if ({call.function}(", "))") if call.refuses else (f"{call.function}(", ");")
            lines += call_lines(start, arguments, end)
            lines += ["        return 1;"] if call.refuses else []
    return [*lines, "", "    return 0;", "}"]


def declaration(plan: Plan, name: str = "predict") -> str:
    """Return the declaration of predict, without its end."""
    inputs = [f"const float *{port.variable}" for port in plan.inputs]
    return f"int {name}({', '.join([*inputs, *(f'float *{port.variable}' for port in plan.outputs)])})"


def main(plan: Plan) -> str:
    """Return main.c: a command that reads samples from standard input and prints their outputs."""
    ports = (*plan.inputs, *plan.outputs)
    order = ""
    if len(plan.inputs) > 1:
        order = f"\n   A sample is the numbers of {', then those of '.join(port.variable for port in plan.inputs)}."
    if len(plan.outputs) > 1:
        order += f"\n   A line has the outputs {', then '.join(port.variable for port in plan.outputs)}."
    classes = _classes(plan) if len(plan.outputs) == 1 and len(plan.outputs[0].shape) == 1 else []
    classes = [(port, names) for port, names in classes if len(names) == port.size]
    if classes:
        order += "\n   Before them is the name of the most probable class."
    lines = [
        f"/* {SIGNATURE} {__version__}. Reads samples from standard input, as numbers between spaces, commas or line ends,",
        f"   and prints the outputs of each on one line.{order} */",
        "",
        "#include <ctype.h>",
        "#include <stdio.h>",
        "",
        '#include "network.h"',
        "",
        *[f"static float {port.variable}[{macro(port)}];" for port in ports],
        "",
        "/* Reads up to n numbers and returns how many there were. */",
        "static int read_numbers(float *values, int n)",
        "{",
        "    int count = 0;",
        '    while (count < n && scanf("%f", &values[count]) == 1) {',
        "        count++;",
        "        int letter = getchar();",
        "        while (letter == ',' || letter == ';' || isspace(letter))",
        "            letter = getchar();",
        "        if (letter != EOF)",
        "            ungetc(letter, stdin);",
        "    }",
        "    return count;",
        "}",
        "",
        "int main(void)",
        "{",
        f"    const int wanted = {' + '.join(macro(port) for port in plan.inputs)};",
        "    for (;;) {",
        "        int count = 0;",
        *[f"        count += read_numbers({port.variable}, {macro(port)});" for port in plan.inputs],
        "        if (count == 0 && feof(stdin))",
        "            return 0;",
        "        if (count < wanted) {",
        '            fprintf(stderr, "a sample has %d numbers, the last one has %d\\n", wanted, count);',
        "            return 1;",
        "        }",
        f"        if (predict({', '.join(port.variable for port in ports)})) {{",
        '            fprintf(stderr, "a sample has a value that the network does not accept\\n");',
        "            return 1;",
        "        }",
    ]
    for port, _ in classes:
        lines += [
            "        int best = 0;",
            f"        for (int i = 1; i < {macro(port)}; i++)",
            f"            if ({port.variable}[i] > {port.variable}[best])",
            "                best = i;",
            f'        printf("%s ", {_classes_macro(plan, port)}[best]);',
        ]
    for i, port in enumerate(plan.outputs):
        last = i + 1 == len(plan.outputs)
        end = f'i + 1 < {macro(port)} ? " " : "\\n"' if last else '" "'
        lines += [
            f"        for (int i = 0; i < {macro(port)}; i++)",
            f'            printf("%.9g%s", (double){port.variable}[i], {end});',
        ]
    return "\n".join([*lines, "    }", "}", ""])


MAKEFILE = f"""\
# {SIGNATURE}. make builds the command: ./predict < samples.txt
CC ?= cc
CFLAGS ?= -O3
CFLAGS += -std=c99 -Wall -Wextra -pedantic

predict: main.o network.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ main.o network.o -lm

main.o network.o: network.h

clean:
	rm -f predict main.o network.o

.PHONY: clean
"""


def macro(port: Port) -> str:
    """Return the name of the macro that is the number of values of an input or output."""
    return f"{port.variable.upper()}_SIZE"


def c_string(text: str) -> str:
    """Return a string literal: letters beyond ASCII as the bytes of UTF-8."""
    letters = []
    for byte in text.encode("utf-8", "surrogateescape"):
        plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
        letters.append(chr(byte) if plain else f"\\{byte:03o}")
    return f'"{"".join(letters)}"'


def _classes(plan: Plan) -> list[tuple[Port, tuple[str, ...]]]:
    """Return the outputs whose classes have names, with these."""
    named = [(port, plan.trained.classes_of(port.name)) for port in plan.outputs]
    return [(port, names) for port, names in named if names]


def _classes_macro(plan: Plan, port: Port) -> str:
    return "CLASSES" if len(plan.outputs) == 1 else f"{port.variable.upper()}_CLASSES"


def _numbers(port: Port) -> str:
    shape = " x ".join(map(str, port.shape))
    return f"{macro(port)} = {port.size} numbers ({shape})" if len(port.shape) > 1 else f"{macro(port)} = {port.size} numbers"


def _input_form(stage: InputStage) -> str:
    """Return the form in which predict expects the values of an input."""
    if isinstance(stage, ImageScaling):
        return "the pixels as they are in the images, from 0 to 255; predict divides them by 255."
    if isinstance(stage, TableStage):
        names = ", ".join(plain_text(name) for name in stage.names)
        columns = (
            f"the columns {names}" if len(names) < 200 else f"the columns of the table, {plain_text(stage.names[0])} first"
        )
        missing = " NAN is a missing value." if stage.fills_missing else ""
        return f"{columns}, not scaled: predict does that.{missing}"
    return "as they were in training."


def _argument(one: Place | str | int | float) -> str:
    if isinstance(one, Place):
        return one.name
    if isinstance(one, float):
        return _literal(f"{np.float32(one)!s}f") if math.isfinite(one) else ("INFINITY" if one > 0 else "-INFINITY")
    return str(one)


def _literal(text: str) -> str:
    """Return a number as a C literal: a float needs a point or an exponent."""
    if text[-1:] == "f" and not any(letter in text for letter in ".e"):
        return f"{text[:-1]}.0f"
    return text
