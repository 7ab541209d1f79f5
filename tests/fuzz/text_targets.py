"""Targets that read texts: settings on the command line, requests to the page, and whole command lines."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any
from unittest import mock

import numpy as np
from typer.main import get_command
from typer.testing import CliRunner

from pellucid import CrossEntropy, Dense, Flatten, Model, Sequential, Softmax
from pellucid.app import server
from pellucid.app.networks import Networks
from pellucid.app.state import AppState
from pellucid.cli import application, train as train_command
from pellucid.core.config import to_json
from pellucid.core.json_text import json_text
from pellucid.data import Corrections, digit
from pellucid.data.augmentation_text import format_augmentation, parse_augmentation
from pellucid.data.drawings.strokes import CLASSES
from pellucid.data.input_stage import ImageScaling
from pellucid.data.sources.registry import SOURCES
from pellucid.data.sources.user_data import ReadOptions, parse_size, read_splits
from pellucid.errors import ConfigError
from pellucid.runs import presets, run as run_module, sweep as sweep_module
from pellucid.runs.plan import RunPlan, RunSettings
from pellucid.runs.sweep import Grid
from tests.fuzz.data_targets import DAYS, PATIENTS, TABLE, pictures
from tests.fuzz.model_targets import FILES, is_outside
from tests.fuzz.mutation import FRACTIONS, NUMBERS, TEXTS, mutated_bytes, mutated_json, mutated_text, words
from tests.fuzz.target import MEGABYTE, Target
from tests.published_mnist import publish

WORDS = words(
    """
    rotation=10 shift=2 scale=0.1 elastic affine photo flip=0.5 crop=0.8 share=0.5 none strong = , ; x 64x32 lr=0.1,1
    hidden=16;32x8 epochs=1,2 seed batch-size=8 1e-3 auto balanced adam sgd lbfgs muon mlp cnn optimizer=adam,sgd
    augmentation=none;rotation=10,shift=2 model=mlp,cnn
    """
)


class SettingTexts(Target):
    """Texts of settings: augmentations, grids of sweeps, sizes, widths, names. The allowance is for the recipe of a preset."""

    name, share, allowance = "setting-texts", 0.2, MEGABYTE
    seeds = (  # for each of the readers below
        (
            "rotation=10,shift=2,scale=0.1,elastic=5",
            "photo,flip=0,crop=0.8,brightness=0.1",
            "affine,share=0.75",
            "strong",
            "none",
        ),
        ("lr=0.01,0.1|hidden=16;32x8", "batch-size=8,16", "augmentation=none;rotation=10,shift=2|limit=5", "model=mlp,cnn"),
        ("48x64", "32", "8X8"),
        ("64x32", "none", "8"),
        ("adam", "sgd", "lbfgs"),
        ("0.01", "auto", "1e-3", "5"),
        ("balanced", "none", "1,2,3"),
        ("rotation=10,shift=2", "photo", "elastic"),
    )

    def make(self, random: Random) -> bytes:
        which = random.randrange(len(self.seeds))
        text = random.choice(self.seeds[which] if random.random() < 0.9 else WORDS)
        if random.random() < 0.5:
            text = re.sub(r"[0-9.]+", lambda number: str(random.choice((*NUMBERS, *FRACTIONS, number[0]))), text)
        if random.random() < 0.7:
            text = mutated_text(random, text, WORDS)
        return b"%d" % which + text.encode("utf-8", "replace")

    def read(self, data: bytes) -> None:
        text = data[1:].decode()
        readers: tuple[Callable[[str], object], ...] = (
            lambda text: format_augmentation(parse_augmentation(text)),
            lambda text: Grid.parse(text.split("|"), 2).cells() if len(text) < 200 else Grid.parse([text]),
            parse_size,
            lambda text: presets.with_hidden(presets.preset("mlp"), text, "mlp").network(3).build((4,)),
            presets.optimizer,
            lambda text: RunPlan.of(RunSettings(lr=train_command.learning_rate(text))),
            lambda text: RunPlan.of(RunSettings(class_weight=text)),
            lambda text: RunPlan.of(RunSettings(augmentation=text)).record(),
        )
        readers[int(data[:1])](text)


SEVEN = [[[250, 200], [500, 190], [750, 200], [600, 500], [450, 850]]]
PLANE = {
    "data": "spirals", "noise": 0.2, "samples": 20, "data_seed": 1, "hidden": [4, 2], "activation": "tanh", "init": "he",
    "optimizer": "sgd", "learning_rates": [[0, 0.1], [5, 0.01]], "batch_size": 8, "regularization": "l2", "strength": 0.1,
    "seed": 2, "steps": 10,
}  # fmt: skip
POINTS = {"data": "user", "points": [[0, 1.5, 0], [1, -1, 1], [0.5, 0.25, 0], [-3, 3, 3]], "learning_rates": [[0, 1]]}
JOB = {
    "data": "mnist", "model": "mlp", "epochs": 2, "batch_size": 32, "optimizer": "adam", "lr": 0.01, "augmentation": "elastic",
    "seed": 1, "hidden": "64x32", "early_stopping": 3, "limit": 100,
}  # fmt: skip
# Requests to the page by path; those for "digit" and "image" are drawings given to the function ``digit``.
REQUESTS: dict[str, tuple[Any, ...]] = {
    "digit": ({"strokes": SEVEN},),
    "image": ({"strokes": [[0, 0, 0, 255], [0, 0.5, 1, 2], [0, 9, 9, 0]]}, {"strokes": [[[0.5], [1]], [[1], [0]]]}),
    "/api/predict": (
        {"strokes": SEVEN},
        {"strokes": [[[1, 2]], [[3.5, 4], [5, 6.25]]], "canvas": [280, 280], "normalization": "none"},
        {"strokes": [*SEVEN, [[x, 2 * x] for x in range(20)]], "normalization": "box", "networks": ["digits"]},
    ),
    "/api/draw/correct": ({"strokes": SEVEN, "label": "7", "predicted": "1", "canvas": [100, 50]},),
    "/api/inside/activations": ({"strokes": SEVEN, "network": "digits"},),
    "/api/inside/weights": ({"network": "digits"},),
    "/api/why/attribution": ({"strokes": SEVEN, "network": "digits", "method": "saliency", "target": "7", "against": "1"},),
    "/api/train/check": (JOB,),
    "/api/playground/python": (PLANE, POINTS),
}


class Drawings(Target):
    """Requests with drawings, through the whole server except its sockets, and drawings given to ``digit``.

    The allowance is for the answer: images, activations and attributions of a small network.
    """

    name, share, allowance = "drawings", 0.02, 4 * MEGABYTE

    def prepare(self) -> None:
        network = Sequential(Flatten(), Dense(10), Softmax())
        model = network.compile((28, 28, 1), CrossEntropy(), classes=CLASSES[:10], input_stage=ImageScaling())
        (self.folder / "digits").mkdir()
        model.save(self.folder / "digits" / "model.pellucid")
        networks = Networks()
        networks.add(self.folder / "digits")
        networks.loaded.set()
        state = AppState(networks, self.folder / "runs", Corrections(self.folder / "corrections"))
        self.application = server.application(state)
        self.loop = asyncio.new_event_loop()
        self.thread = ThreadPoolExecutor(1)  # of its own: in this one the loop of a browser may be running
        self.paths = [*REQUESTS, "/api/predict", "/api/predict"]  # the most usual one more often
        self.pieces = [value for requests in REQUESTS.values() for one in requests for value in one.values()]
        self.names = [
            *PLANE,
            *JOB,
            "strokes",
            "canvas",
            "normalization",
            "digits",
            "mass",
            "box",
            "none",
            "label",
            "7",
            "photo",
        ]

    def make(self, random: Random) -> bytes:
        path = random.choice(self.paths)
        body = json.dumps(mutated_json(random, random.choice(REQUESTS[path]), self.pieces, self.names)).encode()
        if random.random() < 0.15:
            body = mutated_bytes(random, body)
        return path.encode() + b" " + body

    def read(self, data: bytes) -> None:
        name, _, body = data.partition(b" ")
        path = name.decode()
        if path in ("digit", "image"):
            try:
                request = json.loads(body)
                drawing = request.get("strokes") if isinstance(request, dict) else request
                drawing = np.asarray(drawing, float) if path == "image" else drawing
            except (ValueError, TypeError, OverflowError, RecursionError):  # neither JSON nor an array
                return
            digit(drawing)
            return
        status = self.thread.submit(self.loop.run_until_complete, self._answer(path, body)).result()
        assert status < 500, f"the server answers with the status {status}"
        for path in (self.folder / "corrections").glob("*.json"):
            path.unlink()

    async def _answer(self, path: str, body: bytes) -> int:
        """Return the status of the answer to a POST request."""
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "scheme": "http",
            "headers": [(b"host", b"127.0.0.1:8137"), (b"content-type", b"application/json")],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8137),
        }
        statuses = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await self.application(scope, receive, send)
        return int(statuses[0])


class NotTrained(ConfigError):
    """What takes the place of a training: everything before it is done, and nothing after it."""


def _refuse(*arguments: Any, **options: Any) -> Any:
    raise NotTrained("trainings, servers and downloads are left out in fuzzing")


@contextlib.contextmanager
def nothing_expensive() -> Iterator[None]:
    """Replace trainings, servers, browsers, downloads and experiments by an error, during the ``with`` block."""
    no_network = urllib.error.URLError("no network in fuzzing")
    with (
        mock.patch.object(run_module, "train", _refuse),
        mock.patch.object(run_module, "_find_learning_rate", _refuse),
        mock.patch.object(sweep_module.processes, "map_unordered", _refuse),
        mock.patch("pellucid.lab.run_all", _refuse),
        mock.patch("pellucid.runs.examination.search_labels", _refuse),
        mock.patch("pellucid.runs.first_use.interruptible", _refuse),  # pellucid warm-up would train every preset for a step
        mock.patch("pellucid.cli.lab.run_all", _refuse),
        mock.patch.object(server, "bind", _refuse),
        mock.patch("pellucid.plots.save"),
        mock.patch.object(urllib.request, "urlopen", side_effect=no_network),
        mock.patch("pellucid.data.sources.download.fetch", _refuse),
        mock.patch("pellucid.data.sources.offline.read_mnist_5k", _refuse),
    ):
        yield


VALUES = (
    "",
    *WORDS,
    *words("""
    table.csv series.csv pictures table.pellucid digits.pellucid run sweep missing . /dev/null empty broken.csv
    broken.pellucid network.json picture.png text.txt missing.csv missing/deep * mnist fashion-mnist mnist-scenes kind
    level level,flow age 48x64 0x0 1x1x1 grey colour mean drop last error classification regression test train validation
    -1 0 1 2 3 nan 1e999 -- - --json 99999999999999999999 1.5 07 all gradients
    """),
)


LINES = """
train table.csv --target kind --missing drop
train table.csv --target age --task regression --missing mean --ignore name --epochs 2 --lr 0.01 --hidden 8x4
train patients.csv --target ill --model table --optimizer lbfgs --seed 3 --split-seed 1 --limit 5 --quiet
train series.csv --target level --horizon 2 --window 8 --season 7 --time day --early-stopping 2
train series.csv --target level,flow --horizon 1 --missing last --deterministic
train pictures --size 8x8 --colour grey --augmentation photo,flip=0.5 --class-weight balanced --batch-size 4
train pictures --size 6 --from images.pellucid --out new --force
train mnist --model network.json --limit 20 --lr auto --exact-training-metrics
train patients.csv --target ill --from run --out run --force --missing mean
evaluate table.pellucid patients.csv
evaluate run --json
evaluate digits.pellucid mnist --part validation --copies 1 --augmentation rotation=5
evaluate digits.pellucid other.pellucid mnist --mistakes new.png
evaluate forecast.pellucid levels.csv
predict table.pellucid patients.csv --json --out new.csv
predict digits.pellucid picture.png pictures
predict forecast.pellucid levels.csv --out new.csv
predict maps.pellucid picture.png
predict images.pellucid pictures --json
compare run again --json
compare run again --out new
compare run digits.pellucid
sweep mnist --grid lr=0.1,1 --grid hidden=8;4x4 --seeds 2 --model mlp --epochs 1 --jobs 1 --out sweep
sweep mnist --grid optimizer=adam,sgd --limit 30 --json
sweep mnist --grid dropout=0,0.2 --strategy halving --decay 0.01 --time-budget 60 --ensemble 2 --test --splits 2 --out sweep
sweep mnist --grid lr=0.1,1 --strategy optuna --trials 3 --sampler tpe --pruner median --out sweep
export table.pellucid --numpy new.py
export digits.pellucid --numpy new.py --onnx new.onnx
data show table.csv --target kind --missing mean
data show series.csv --horizon 2 --target level
data show pictures --size 8x8 --count 2 --augmentation photo,flip=1 --out new.png
data show mnist --count 3 --augment
data list --json
data fetch mnist
lab list --json
lab run --quick --seeds 1 --out new
lab report --results empty --out new.html
draw run --port 0 --no-open
resume run
resume half
train --resume half
doctor run --json
doctor patients.csv --target ill --missing mean
doctor pictures --size 8x8
doctor patients.csv --target ill --labels --epochs 2
"""


class CommandLines(Target):
    """Command lines with random options and values, in a folder with small tables, pictures, models and runs.

    Everything is done except trainings, experiments, servers, downloads and figures, which are replaced by an error. An input
    is the list of words in JSON. The allowance is for the data and models in the folder, which the words only name.
    """

    name, share, allowance = "command-lines", 0.01, 24 * MEGABYTE

    def prepare(self) -> None:
        folder = self.folder
        work = folder / "files"
        work.mkdir()
        self.work = work
        write = {
            "table.csv": TABLE.encode(),
            "series.csv": DAYS.encode(),
            "patients.csv": PATIENTS.encode(),
            "levels.csv": b"level,day\n" + b"".join(b"%d.5,%d\n" % (i % 5, i) for i in range(30)),
            "broken.csv": b'a,b\n1,"2\n\xff',
            "text.txt": b"text",
            "table.pellucid": next(path for path in FILES if path.stem == "table").read_bytes(),
            "forecast.pellucid": next(path for path in FILES if path.stem == "forecast").read_bytes(),
            "graph.pellucid": next(path for path in FILES if path.stem == "graph").read_bytes(),
            "maps.pellucid": next(path for path in FILES if path.stem == "class-maps").read_bytes(),
            "images.pellucid": next(path for path in FILES if path.stem == "images").read_bytes(),
            "broken.pellucid": FILES[0].read_bytes()[:-3],
            "network.json": json.dumps(to_json(Sequential(Flatten(), Dense(10), Softmax()))).encode(),
            "picture.png": pictures()[1],
        }
        for name, data in write.items():
            (work / name).write_bytes(data)
        (work / "empty").mkdir()
        for name in ("cat", "dog"):
            (work / "pictures" / name).mkdir(parents=True)
            for i, data in enumerate(pictures()[:6]):
                (work / "pictures" / name / f"{i}.png").write_bytes(data)
        network = Sequential(Flatten(), Dense(10), Softmax())
        model = network.compile((28, 28, 1), CrossEntropy(), classes=CLASSES[:10], input_stage=ImageScaling())
        for name in ("digits", "other"):
            model.save(work / f"{name}.pellucid")
        table = Model.load(work / "table.pellucid")
        reading = ReadOptions(target="ill", missing="mean")
        digest = read_splits(str(work / "patients.csv"), reading).sha256
        data = {"name": "patients", "requested": "patients.csv", "sha256": digest, "reading": to_json(reading)}
        results = {"test": {"accuracy": 0.5, "loss": 1.0}, "parameters": 34, "seconds": 1.5, "epochs": 2, "settings": {}}
        for name in ("run", "again"):
            (work / name).mkdir()
            shutil.copy(work / "table.pellucid", work / name / "model.pellucid")
            (work / name / "config.json").write_text(json_text({"preset": "table", "data": data, **table.config()}))
            (work / name / "metrics.json").write_text(json_text({"data": data, **results}))
        (work / "half").mkdir()
        settings = RunSettings(data=str(work / "patients.csv"), model="table", reading=reading).to_json()
        (work / "half" / "config.json").write_text(json_text({"preset": "table", "data": data, "settings": settings}))
        self.lines = LINES.strip().splitlines()
        self.published: list[tuple[Any, str, Any]] = []
        publish(folder / "mnist", lambda *change: self.published.append(change))
        self.kept = sorted(path.name for path in work.iterdir())
        with contextlib.chdir(work):
            self.application = application()
        self.command = get_command(self.application)
        self.commands = list(self._commands(self.command, []))
        for line in self.lines:  # imports Matplotlib and others, whose memory is not that of an input
            self.read(json.dumps(line.split()).encode())

    def _commands(self, command: Any, path: list[str]) -> Iterator[tuple[list[str], list[Any]]]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from self._commands(inner, [*path, name])
        else:
            yield path, command.params

    def make(self, random: Random) -> bytes:
        words = self._changed_line(random) if random.random() < 0.6 else self._random_line(random)
        return json.dumps(words).encode()

    def _changed_line(self, random: Random) -> list[str]:
        """Return a command line that works, with up to three changes."""
        words = random.choice(self.lines).split()
        for _ in range(random.choice((0, 1, 1, 1, 2, 3))):
            at, kind = random.randrange(len(words)), random.randrange(6)
            if kind == 0 and len(words) > 1:
                del words[at]
            elif kind == 1:
                words.insert(at + 1, random.choice(VALUES))
            elif kind == 2:
                words[at] = mutated_text(random, words[at], WORDS).replace("\x00", "")
            elif kind == 3:  # another command's options, which often exist for this one too
                other = random.choice(self.lines).split()
                start = random.randrange(len(other))
                words += other[start : start + 2]
            elif at > 0:
                number = re.fullmatch(r"[0-9.]+", words[at])
                words[at] = str(random.choice((*NUMBERS, *FRACTIONS))) if number else random.choice(VALUES)
        return words

    def _random_line(self, random: Random) -> list[str]:
        """Return a command with random options and values."""
        path, parameters = random.choice(self.commands)
        words = list(path)
        for parameter in parameters:
            options = [name for name in parameter.opts if name.startswith("-")]
            if not options:
                count = random.choice((0, 1, 1, 1, 2, 3) if parameter.nargs != 1 else (0, 1, 1, 1, 1, 1))
                words += [self._value(random, parameter) for _ in range(count)]
            elif random.random() < 0.25:
                words.append(random.choice(options))
                if not getattr(parameter, "is_flag", False):
                    words.append(self._value(random, parameter))
        if random.random() < 0.15:
            words.insert(random.randrange(len(words) + 1), random.choice(VALUES))
        if random.random() < 0.1 and len(words) > 1:
            random.shuffle(words)
        return words

    def _value(self, random: Random, parameter: Any) -> str:
        kind = repr(vars(parameter).get("type_descriptor", vars(parameter).get("type"))).lower()  # by the version of Typer
        if re.search(r"\bint\b|integer", kind) and random.random() < 0.8:
            return str(random.choice((0, 1, 1, 2, 3, 5, random.choice(NUMBERS))))
        if "float" in kind and random.random() < 0.8:
            return random.choice(("0.1", "1e-3", "0", "-1", "nan", "inf", "1e999"))
        if random.random() < 0.1:
            return mutated_text(random, random.choice(VALUES), WORDS).replace("\x00", "")
        likely = {
            "runs": ("table.pellucid", "digits.pellucid", "run", "forecast.pellucid", "graph.pellucid", "maps.pellucid"),
            "run": ("table.pellucid", "digits.pellucid", "run", "forecast.pellucid", "graph.pellucid", "maps.pellucid"),
            "data": ("table.csv", "series.csv", "pictures", "mnist"),
            "name": ("table.csv", "series.csv", "pictures", "mnist", *SOURCES),
            "files": ("table.csv", "series.csv", "pictures", "picture.png"),
            "target": ("kind", "level", "age"),
            "model": ("mlp", "cnn", "table", "forecast", "network.json"),
        }
        return random.choice((*likely.get(parameter.name, ()) * 5, *VALUES, random.choice(TEXTS).replace("\x00", "")))

    def read(self, data: bytes) -> None:
        words = json.loads(data)
        with contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.chdir(self.work))
            words = ["outside" if is_outside(word) else word for word in words]
            stack.enter_context(nothing_expensive())
            stack.enter_context(mock.patch.dict(os.environ, {"PELLUCID_DATA": str(self.folder / "mnist")}))
            for module, name, value in self.published:
                stack.enter_context(mock.patch.object(module, name, value))
            result = CliRunner().invoke(self.application, words)
        for path in self.work.iterdir():
            if path.name not in self.kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code in (0, 2, 130), f"the exit code is {result.exit_code}\n{result.output}"
