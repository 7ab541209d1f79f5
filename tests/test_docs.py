"""The code, commands, file names and links in the documentation work: README, CONTRIBUTING, docs/ and docstrings."""

from __future__ import annotations

import ast
import dataclasses
import doctest
import html
import importlib
import inspect
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from typer.main import get_command
from typer.testing import CliRunner

import pellucid
import pellucid.data
from pellucid import plots
from pellucid.cli import application
from pellucid.core.config import registered_classes
from pellucid.initializers import Initializer
from pellucid.layers import Layer, Merge

ROOT = Path(__file__).parent.parent
WORD = "[^\\W\\d_]{3,}"  # of a figure, where numbers differ: the tests run the code of the docs with a few digits


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_code_of_the_readme_trains_a_network(small_mnist, capsys):
    space: dict[str, object] = {}
    for block in blocks("README.md", "python"):
        exec(block, space)
    accuracy = float(re.search(r"'accuracy': ([\d.]+)", capsys.readouterr().out)[1])
    assert accuracy > 0.85  # measured: 89.4 to 90.8 % over seeds 0 to 4; guessing gives 10 %
    assert Path("digits.pellucid").exists()


def test_the_commands_of_the_readme_run(mnist_folder):
    commands = [line for block in blocks("README.md", "sh") for line in block.splitlines() if line.startswith("pellucid ")]
    assert len(commands) >= 3
    areas = np.random.default_rng(0).integers(30, 150, 200)
    rows = [f"{area},{'Graz' if i % 3 else 'Linz'},{1000 * area + 500 * i}" for i, area in enumerate(areas)]
    Path("flats.csv").write_text("\n".join(["area,city,price", *rows]))
    Path("new-flats.csv").write_text("area,city\n70,Graz\n")
    for command in commands:  # sweeps run in this process, where mnist() is replaced; one epoch for what would take minutes
        small = ["--jobs", "1"] if command.startswith("pellucid sweep") else []
        small += ["--epochs", "1"] if "--model cnn" in command or command.startswith("pellucid sweep") else []
        result = CliRunner().invoke(application(), [*shlex.split(command)[1:], *small])
        assert result.exit_code == 0, f"{command}\n{result.output}"


def test_the_layer_of_the_contributors_guide_passes_its_own_check(monkeypatch):
    module = type(sys)("guide")  # dataclasses look up the module of their class
    monkeypatch.setitem(sys.modules, "guide", module)
    for block in blocks("CONTRIBUTING.md", "python"):
        exec(block, module.__dict__)
    assert module.Scale().build((5,)).shape == (5,)
    assert len(re.findall(r"\S.*\n", blocks("CONTRIBUTING.md", "python")[0])) <= 20, "the guide promises 20 lines"


@pytest.fixture
def few_digits(small_mnist, monkeypatch):
    """Replace mnist() by 2,400 digits: the code of a page has to run, and learns enough from them."""
    whole = pellucid.data.mnist()
    train, validation, test = (
        part.limit(count) for part, count in ((whole.train, 2000), (whole.validation, 200), (whole.test, 200))
    )
    few = dataclasses.replace(whole, train=train, validation=validation, test=test)
    for name in ("mnist", "load"):
        monkeypatch.setattr(pellucid.data, name, lambda *_args, **_options: few)


PAGES = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture
def saved_words(monkeypatch):
    """The words in the figures that the code of a page saves, by the names of the files without their suffixes.

    The files are not written, which would take most of the time: the tests of the figures do that with every kind.
    """
    words: dict[str, set[str]] = {}

    def record(figure, path):
        texts = (text.get_text() for text in figure.findobj(Text) if text.get_visible())
        words[Path(path).stem] = set(re.findall(WORD, " ".join(texts)))

    monkeypatch.setattr(plots, "save", record)
    return words


# tests/test_examples.py runs the examples, and tests/test_course.py the course.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if not re.search("/(examples|course)/", page) and blocks(page, "python")]
)
def test_the_code_of_a_page_runs_from_top_to_bottom(few_digits, page, saved_words):
    """It saves figures with the words of the pictures on the page: they are those of the code and of today's figures."""
    space: dict[str, object] = {"__name__": "page"}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec", dont_inherit=True), space)
    for picture in re.findall(rf"\]\((img/{Path(page).stem}/[\w-]+\.svg)\)", (ROOT / page).read_text(encoding="utf-8")):
        drawn = re.findall("<text[^>]*>(.*?)</text>", (ROOT / "docs" / picture).read_text(encoding="utf-8"), re.DOTALL)
        shown = set(re.findall(WORD, html.unescape(re.sub("<[^>]*>", "", " ".join(drawn)))))
        hint = f"{picture} is out of date: python docs/scripts/figures.py {Path(page).stem}"
        assert saved_words[Path(picture).stem] == shown, hint


def parse(line: str) -> str:
    """Parse a command line without running it, and return the path of the command."""
    command, words = get_command(application()), shlex.split(line, comments=True)[1:]
    context = command.make_context("pellucid", words)
    while hasattr(command, "commands"):
        name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, words, parent=context)
    return context.command_path


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_exist_and_so_do_their_flags(page):
    lines = [re.sub(r"^mpiexec -n \d+ ", "", line) for block in blocks(page, "sh") for line in block.splitlines()]
    for line in (line for line in lines if line.startswith("pellucid ")):
        try:
            assert parse(line)
        except Exception as error:  # of Click, or of the copy that some versions of Typer contain
            pytest.fail(f"{page}: {line}: {error}")


@pytest.mark.parametrize("page", PAGES)
def test_the_source_files_that_a_page_names_exist(page):
    for path in re.findall(r"`(src/pellucid/[\w/.]+)`", (ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / path).exists(), f"{page}: {path}"


def test_the_page_on_layers_lists_all_layers_and_initializers():
    page = (ROOT / "docs/layers.md").read_text(encoding="utf-8")
    for name in {**registered_classes(Layer), **registered_classes(Merge), **registered_classes(Initializer)}:
        assert f"`{name}(" in page, f"{name} is not in docs/layers.md"


def test_the_reference_has_every_public_name():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs/api").glob("*.md"))
    documented = set(re.findall(r"^::: (\S+)$", pages, re.MULTILINE))
    homes = {name: getattr(getattr(pellucid, name), "__module__", "") for name in pellucid.__all__}
    ours = {name: home for name, home in homes.items() if home.startswith("pellucid")}
    assert len(ours) > 200
    assert {name: home for name, home in ours.items() if not {home, f"{home}.{name}"} & documented} == {}


def test_the_tables_of_layers_name_the_defaults():
    """A setting in a table has the value of the constructor's default, and every initial value is named."""
    lines = (ROOT / "docs/layers.md").read_text(encoding="utf-8").splitlines()
    checked = 0
    for name, kind in {**registered_classes(Layer), **registered_classes(Merge)}.items():
        (cell,) = (line.split(" | ")[0] for line in lines if line.startswith("|") and f"`{name}(" in line.split(" | ")[0])
        defaults = {key: parameter.default for key, parameter in inspect.signature(kind).parameters.items()}
        call = cell[cell.index(f"`{name}(") + 1 :].split("`")[0]
        settings = {keyword.arg: keyword.value for keyword in ast.parse(call, mode="eval").body.keywords}
        settings |= {key: ast.parse(value, mode="eval").body for key, value in re.findall(r"`(\w+)=(\w+\(.*?\))`", cell)}
        for key, value in settings.items():
            assert eval(ast.unparse(value), vars(pellucid.initializers)) == defaults[key], f"{name}: {key}"
            checked += 1
        unnamed = {key for key, default in defaults.items() if isinstance(default, Initializer)} - settings.keys()
        assert not unnamed, f"the row of {name} does not name {unnamed}"
    assert checked > 30


SOURCE = ROOT / "src"
WITH_EXAMPLES = [path for path in sorted(SOURCE.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_in_docstrings_return_what_they_show(path):
    module = importlib.import_module(".".join(path.relative_to(SOURCE).with_suffix("").parts))
    results = doctest.testmod(module)
    assert results.attempted > 0
    assert results.failed == 0, "the failures are printed above"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "CODE_OF_CONDUCT.md", *PAGES])
def test_links_lead_to_existing_files(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in target:
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"
