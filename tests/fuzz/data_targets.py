"""Targets that read data: IDX files, tables, series and pictures."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import struct
import warnings
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from pellucid import CrossEntropy, Dense, Flatten, MeanSquaredError, Model, Reshape, Sequential, Softmax
from pellucid.data import Dataset, read_folder, read_idx, read_image, write_idx
from pellucid.data.images.image_file import read_header
from pellucid.data.series.reading import next_times
from pellucid.data.sources.user_data import ReadOptions, read_splits
from pellucid.data.tables.columns import Standardization
from tests.fuzz.mutation import FRACTIONS, NUMBERS, TEXTS, mutated_bytes, mutated_text, words
from tests.fuzz.target import MEGABYTE, Target


class IDXFiles(Target):
    """IDX files, plain and compressed with gzip. The allowance is for the buffers of the file and of gzip."""

    name, share, allowance = "idx", 0.27, MEGABYTE

    def prepare(self) -> None:
        self.seeds = []
        for i, dtype in enumerate(("u1", "i1", "i2", "i4", "f4", "f8")):
            path = self.folder / "seed"
            write_idx(
                path, np.arange(2 * 3 * (i + 1)).reshape((2, 3, i + 1)[: 1 + i % 3] if i % 3 == 2 else (-1,)).astype(dtype)
            )
            self.seeds.append(path.read_bytes())
        self.packed = [gzip.compress(seed, mtime=0) for seed in self.seeds]

    def make(self, random: Random) -> bytes:
        kind = random.random()
        if kind < 0.3:
            return mutated_bytes(random, random.choice(self.packed), self.packed)
        data = mutated_bytes(random, random.choice(self.seeds), self.seeds)
        if kind < 0.5:  # sizes whose product is that of the file, or nearly
            axes = [random.choice((0, 1, 2, 3, 5, *(abs(n) % 2**32 for n in NUMBERS))) for _ in range(random.randrange(1, 9))]
            code = random.choice((8, 9, 11, 12, 13, 14))
            data = struct.pack(f">BBBB{len(axes)}I", 0, 0, code, len(axes), *axes) + bytes(random.choice((0, 1, 6, 48, 5000)))
        return gzip.compress(data, mtime=0) if random.random() < 0.5 else data

    def read(self, data: bytes) -> None:
        read_idx(self.write("data", data))

    def size(self, data: bytes) -> int:
        return max(len(data), unpacked_size(data))


def unpacked_size(data: bytes) -> int:
    """Return the number of bytes that gzip unpacks from ``data``, as far as it is valid."""
    if data[:2] != b"\x1f\x8b":
        return 0
    unpacker, size = zlib.decompressobj(31), 0
    try:
        size += len(unpacker.decompress(data, 1 << 24))
    except zlib.error:
        return size
    return size


TABLE = '''name;age;height;town;kind;when
"Ann";31;1,65;Graz;yes;2024-01-01
"Bob ""B""";45;1,80;Linz;no;2024-01-02
Cleo;29;;Graz;no;2024-01-03
"D,E";52;1,72;"Wien, Mitte";yes;2024-01-04
Eve;38;1,59;Linz;no;2024-01-05
Finn;61;1,91;Wien;yes;2024-01-06
Gil;24;NA;Graz;no;2024-01-07
Hal;47;1,77;Wien;yes;2024-01-08
Ida;33;1,68;Linz;yes;2024-01-09
Jan;58;1,83;Graz;no;2024-01-10
Kim;41;1,61;Wien;yes;2024-01-11
Lea;27;1,7;Linz;no;2024-01-12
'''
PATIENTS = "age,city,weight,ill\n" + "".join(
    f"{20 + 3 * i},{('Graz', 'Linz', 'Wien')[i % 3]},{60 + i},{('yes', 'no')[i // 2 % 2]}\n" for i in range(12)
)
NUMERIC = "a\tb\tc\n" + "".join(f"{i}\t{i * i % 7}\t{i / 3:.3f}\n" for i in range(15))
BARE = "".join(f"{i},{i % 3},{-i}e-3,x{i % 2}\n" for i in range(12))
DAYS = "day,level,flow\n" + "".join(f"2024-{1 + i // 28:02}-{1 + i % 28:02},{i % 5},{i * 0.5}\n" for i in range(40))
MONTHS = "month,level\n" + "".join(f"{1990 + i // 12}-{1 + i % 12:02},{i % 7}\n" for i in range(40))
COUNTED = "t;level;more\n" + "".join(f"{i};{i % 4},5;{i}\n" for i in range(40))
HOURS = "time|level\n" + "".join(f"2024-03-{1 + i // 24:02}T{i % 24:02}:30+01:00|{i}\n" for i in range(40))
FIELDS = (
    *words("age town kind when a b c 1 2 4 level flow day month t time x , ; | NA nan inf 1e999 -1e308 1_000 0x10 ٣ 1,5 -0"),
    *("", "\t", '"', '""', "\n", "\r\n", "\r", "\n\n", "20240101", "1e308", "1e-320", "0000-00", "2024-W01-1"),
    *words("9999-12-31 0001-01-01 2024-02-30 2024-13 9999-12 2024-01-01T00:00:00+23:59 12/31/2024 2024-01-01T24:00"),
    *("0001-01-01T00:00+23:59", "9999-12-31T23:59-23:59"),
)
PLACES = tuple(separator + field + separator for field in FIELDS[30:] for separator in (",", ";"))


def generated_columns(random: Random, rows: int) -> list[list[str]]:
    """Return columns of one kind each: numbers of any size, categories, gaps."""
    columns = []
    for _ in range(random.randrange(1, 4)):
        base, step = random.choice((*NUMBERS, *FRACTIONS)), random.choice((0, 1, -1, 1e-9, *FRACTIONS))
        kind = random.randrange(4)
        if kind == 0:
            with contextlib.suppress(OverflowError):
                columns.append([f"{float(base) + step * i:.17g}" for i in range(rows)])
        elif kind == 1:
            columns.append([random.choice(TEXTS[:-1]) for _ in range(rows)])
        elif kind == 2:
            columns.append([str(random.choice((*FRACTIONS, *FIELDS[-30:]))) for _ in range(rows)])
        else:
            columns.append([str(random.choice((0, 1, 2, 3, 0.5))) for _ in range(rows)])
    return columns


def generated_times(random: Random, rows: int) -> list[str]:
    """Return a column of times with equal steps, often near the ends of what dates and numbers can be."""
    year, zone = (
        random.choice((1, 2, 1582, 1969, 2024, 9990, 9998, 9999)),
        random.choice(("", "", "Z", "+14:00", "-23:59", "+00:30")),
    )
    kind = random.randrange(4)
    if kind == 0:
        return [f"{year + i // 12:04}-{1 + i % 12:02}" for i in range(rows)]
    if kind == 1:
        month = random.randrange(1, 13)
        return [f"{year:04}-{month:02}-{1 + i % 28:02}" for i in range(rows)]
    if kind == 2:
        return [f"{year:04}-12-{31 - rows // 24 + i // 24:02}T{i % 24:02}:00{zone}" for i in range(rows)]
    base, step = random.choice(FRACTIONS), random.choice((1.0, *FRACTIONS))
    return [repr(base + step * i) for i in range(rows)]


def generated_table(random: Random, times: bool) -> str:
    """Return a table with the columns level, flow and kind, and with ``times`` the column day."""
    rows = random.randrange(10, 40)
    columns = generated_columns(random, rows)
    named = [("day", generated_times(random, rows))] if times else []
    named += [(f"c{i}", column) for i, column in enumerate(columns)]
    named += [(name, [str(i % 5) for i in range(rows)]) for name in ("level", "flow")] + [
        ("kind", [random.choice(("1", "2", "x", "")) for _ in range(rows)])
    ]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=random.choice(",;\t"))
    writer.writerow([name for name, _ in named])
    writer.writerows(zip(*(column for _, column in named), strict=True))
    return text.getvalue()


class Tables(Target):
    """Tables in CSV files with all options, read as data of a new training, and as new data of a trained model.

    The allowance is for the buffer of the decoded rows (:mod:`pellucid.data.row_file`), the sample from which the separator is
    found, and the objects of cells: a cell of one character is a string of 50 bytes, with 8 for each list that it is in.
    """

    name, share, allowance = "tables", 0.14, 4 * MEGABYTE
    seeds: tuple[str, ...] = (TABLE, PATIENTS, NUMERIC, BARE)
    targets: tuple[str, ...] = ("kind", "ill", "c", "4", "age", "height", "town")
    usual: tuple[dict[str, Any], ...] = ({"missing": "mean"}, {}, {}, {"header": False})  # the options that each seed needs

    def prepare(self) -> None:
        self.encoded = [seed.encode() for seed in self.seeds]
        self.models = []
        for data, target, options in zip(self.encoded, self.targets, self.usual, strict=False):
            train = read_splits(str(self.write("table.csv", data)), ReadOptions(target=target, **options)).train
            self.models.append(small_model(train))

    def options(self, random: Random) -> dict[str, Any]:
        """Return random options for reading."""
        chosen: dict[str, Any] = {"target": random.choice((*self.targets, *FIELDS[:12]))}
        for name, values in (
            ("task", ("classification", "regression")),
            ("missing", ("mean", "drop")),
            ("ignore", (("name",), ("when", "town"), ("age",), ("x",))),
            ("header", (False,)),
        ):
            if random.random() < 0.15:
                chosen[name] = random.choice(values)
        return chosen

    def make(self, random: Random) -> bytes:
        which = random.randrange(len(self.seeds))
        options = {**self.usual[which], **self.options(random)}
        if random.random() < 0.8 and isinstance(options["target"], str):
            options["target"] = self.targets[which]
        text = mutated_text(random, self.seeds[which], FIELDS if random.random() < 0.7 else PLACES)
        if random.random() < 0.3:
            times = type(self) is Series
            text, options["target"] = generated_table(random, times), "level" if times else random.choice(("kind", "level"))
            options.pop("header", None)
            which = 0
        data = mutated_bytes(random, self.encoded[which]) if random.random() < 0.2 else text.encode("utf-8", "replace")
        if random.random() < 0.05:
            data = data.decode("utf-8", "replace").encode(random.choice(("utf-16", "latin-1", "utf-8-sig")), "replace")
        return json.dumps([options, which if random.random() < 0.3 else None]).encode() + b"\n" + data

    def read(self, data: bytes) -> None:
        line, _, content = data.partition(b"\n")
        options, which = json.loads(line)
        path = self.write("table.csv", content)
        if which is not None:
            self.read_new(path, self.models[which])
        else:
            values = {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
            splits = read_splits(str(path), ReadOptions(**values))
            splits.train.input_stage()

    def read_new(self, path: Path, model: Model) -> None:
        """Read a table as new data of a trained model."""
        samples = model.read(path, labelled=None)
        model.predict(samples)


def small_model(train: Dataset) -> Model:
    """Return a model with one layer, trained on this data for one epoch."""
    if train.classes is not None:
        network, loss = Sequential(Dense(len(train.classes)), Softmax()), CrossEntropy()
        model = network.compile(train.shape, loss, classes=train.classes)
    else:
        shape = np.shape(train.y)[1:] or (1,)
        model = Sequential(Flatten(), Dense(int(np.prod(shape))), Reshape(shape)).compile(train.shape, MeanSquaredError())
    model.fit(train, progress=False)
    return model


class Series(Tables):
    """Series in CSV files with all options, and their forecasts. The allowance is that of tables."""

    name, share, allowance = "series", 0.12, 4 * MEGABYTE
    seeds = (DAYS, MONTHS, COUNTED, HOURS)
    targets = ("level", "level", "level", "level", "flow", "more")
    usual = ({"horizon": 1, "window": 4}, {"horizon": 2, "window": 3}, {"horizon": 1, "window": 4}, {"horizon": 3, "window": 4})

    def options(self, random: Random) -> dict[str, Any]:
        chosen = super().options(random)
        chosen.pop("task", None)
        if random.random() < 0.8:
            chosen.pop("header", None)
        if chosen.get("missing") in ("mean", "drop") and random.random() < 0.8:
            del chosen["missing"]
        for name, values in (
            ("target", (["level"], ["level", "flow"], "level", [])),
            ("missing", ("last",)),
            ("horizon", (1, 2, 3, 40, 10**9)),
            ("window", (1, 2, 4, 8, 10**9, 2**63)),
            ("time", ("day", "month", "t", "level", "")),
            ("season", (1, 2, 7, 10**12)),
        ):
            if random.random() < 0.15:
                chosen[name] = random.choice(values)
        return chosen

    def read_new(self, path: Path, model: Model) -> None:
        stage = model.input_stage
        assert isinstance(stage, Standardization)
        model.predict(model.read(path, labelled=False))
        next_times(path, stage, 3)


def pictures() -> list[bytes]:
    """Return small pictures of all formats that are read."""
    grey = np.arange(9 * 7, dtype=np.uint8).reshape(9, 7) * 4
    colour = np.stack([grey, grey.T.reshape(9, 7), 255 - grey], axis=-1)
    images = {
        "grey": Image.fromarray(grey),
        "colour": Image.fromarray(colour),
        "alpha": Image.fromarray(np.dstack([colour, grey])),
        "palette": Image.fromarray(colour).convert("P"),
        "bits": Image.fromarray(grey).convert("1"),
        "deep": Image.fromarray(grey.astype(np.uint16) * 256),
        "cmyk": Image.fromarray(colour).convert("CMYK"),
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds: list[tuple[str, str, dict[str, Any]]] = [
        *((name, "PNG", {}) for name in images if name != "cmyk"),
        *(("colour", "PNG", {"exif": exif}), ("palette", "PNG", {"transparency": 3}), ("grey", "PNG", {"transparency": 0})),
        *(("colour", "JPEG", {"exif": exif}), ("grey", "JPEG", {"progressive": True}), ("cmyk", "JPEG", {})),
        *(
            ("palette", "GIF", {"save_all": True, "append_images": [images["bits"]]}),
            ("grey", "BMP", {}),
            ("colour", "BMP", {}),
        ),
        *(("colour", "TIFF", {"compression": one}) for one in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits")),
        *(("deep", "TIFF", {}), ("bits", "TIFF", {"compression": "group4"}), ("alpha", "WEBP", {}), ("colour", "WEBP", {})),
        *(("grey", "PPM", {}), ("colour", "PPM", {}), ("bits", "PPM", {})),
    ]
    found = []
    for name, kind, options in kinds:
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            images[name].save(file, kind, **{key: value for key, value in options.items() if value is not None})
        found.append(file.getvalue())
    return found


class Pictures(Target):
    """Pictures of all formats, as ``predict`` and ``read_folder`` read them.

    Pictures are compressed: ten times the memory of the decoded picture are allowed, with 4 bytes for each pixel that its
    header claims. The allowance is for the decoders, and for the buffer of ``read_folder``.
    """

    name, share, allowance = "pictures", 0.08, 4 * MEGABYTE

    def prepare(self) -> None:
        self.seeds = pictures()
        for name in ("cat", "dog"):
            (self.folder / "folder" / name).mkdir(parents=True)
            self.write(f"folder/{name}/good.png", self.seeds[1])

    def make(self, random: Random) -> bytes:
        data = random.choice(self.seeds)
        if data[:4] == b"\x89PNG" and random.random() < 0.7:
            return b"%d" % random.randrange(4) + self._chunks_changed(random, data)
        return b"%d" % random.randrange(4) + mutated_bytes(random, data, self.seeds)

    def _chunks_changed(self, random: Random, data: bytes) -> bytes:
        """Return a PNG with a change in one chunk, whose checksum is right again, or with chunks left out, doubled or moved."""
        chunks, at = [], 8
        while at + 8 <= len(data):
            length = int.from_bytes(data[at : at + 4], "big")
            chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
            at += 12 + length
        which = random.randrange(len(chunks))
        name, body = chunks[which]
        kind = random.randrange(5)
        if kind < 3:
            if name == b"IDAT" and random.random() < 0.5:
                body = zlib.compress(mutated_bytes(random, zlib.decompress(body)))
            else:
                body = mutated_bytes(random, body)
            chunks[which] = (name, body)
        elif kind == 3:
            del chunks[which]
        else:
            chunks.insert(random.randrange(len(chunks)), (name, body))
        packed = [
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
        ]
        return data[:8] + b"".join(packed)

    def size(self, data: bytes) -> int:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with Image.open(io.BytesIO(data[1:])) as image:
                    return len(data) + 4 * image.size[0] * image.size[1]
        except Exception:  # a decoder may raise anything
            return len(data)

    def read(self, data: bytes) -> None:
        way, content = int(data[:1]), data[1:]
        if way == 0:
            read_image(self.write("picture", content))
        elif way == 1:
            read_header(self.write("picture", content))
        elif way == 2:
            read_image(self.write("picture", content), (8, 8, 3), invert_light_background=False)
        else:
            self.write("folder/cat/changed.png", content)
            read_folder(self.folder / "folder", size=(6, 6))
