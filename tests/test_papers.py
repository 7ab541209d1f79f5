"""What a project has beside its code: workflows, the changelog, the version, the names of its files."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path

import pytest

import pellucid
from pellucid.core.system import portable_name

yaml = pytest.importorskip("yaml", reason="MkDocs, of the extra docs, brings it along")

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def release():
    """The module .ci/release.py."""
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def workflow(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_workflows_run_what_is_there():
    jobs = {path.stem: workflow(path)["jobs"] for path in WORKFLOWS}
    assert sorted(jobs) == ["docs", "release", "tests"]
    matrix = jobs["tests"]["tests"]["strategy"]["matrix"]
    assert project()["requires-python"] == f">={matrix['python'][0]}"
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project()["classifiers"]))
    assert named
    assert set(named) <= set(matrix["python"]), "the classifiers name versions of Python that are tested"
    assert matrix["os"] == ["ubuntu-latest", "macos-latest", "windows-latest"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    options = re.search(r"pytest -n \d+ (--dist.*long.*)", makefile)[1]
    (command,) = (step["run"] for step in jobs["tests"]["tests"]["steps"] if "pytest" in step.get("run", ""))
    assert command == f"python -m pytest -n auto {options}", "as make test"
    assert jobs["tests"]["all"]["needs"] == [name for name in jobs["tests"] if name != "all"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_do_little(path):
    found = workflow(path)
    assert found["permissions"] == {"contents": "read"}
    assert found["concurrency"]["group"]
    for job in found["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 90
        writes = [name for name, right in job.get("permissions", {}).items() if right == "write"]
        for step in job["steps"]:
            action = step.get("uses", "")
            assert not action or re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action), "pinned to a commit"
            assert "actions/checkout" not in action or step["with"]["persist-credentials"] is False
            assert not writes or "checkout" not in action, "jobs that may write run no code of the repository"
            assert "${{" not in step.get("run", ""), "values come in variables, never as parts of a script"


def test_workflows_and_forms_name_no_host():
    for path in (*WORKFLOWS, *FORMS, ROOT / ".github" / "dependabot.yml"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert "://" not in line, f"{path.name}: {line}"


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_are_forms(path):
    found = workflow(path)
    if path.stem == "config":
        assert found == {"blank_issues_enabled": True}
        return
    assert found["name"]
    assert found["description"]
    for part in found["body"]:
        assert part["type"] in ("markdown", "textarea", "dropdown", "checkboxes", "input")
        assert "value" in part["attributes"] if part["type"] == "markdown" else part["attributes"]["label"]
    names = [part["id"] for part in found["body"] if part["type"] != "markdown"]
    assert len(set(names)) == len(names) > 0


def test_every_place_has_the_same_version(release):
    assert set(release.written_versions().values()) == {pellucid.__version__}


def test_the_changelog_has_the_form_of_keep_a_changelog(release):
    found = release.sections()
    assert next(iter(found)) == "Unreleased"
    assert pellucid.__version__ in found
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for version, (date, text) in found.items():
        assert (date is None) == (version == "Unreleased")
        assert date is None or date == "unreleased" or re.fullmatch(r"\d{4}-\d\d-\d\d", date)
        headings = re.findall(r"^### (.+)", text, re.MULTILINE)
        assert set(headings) <= kinds
        assert len(set(headings)) == len(headings)
    headings = re.findall(r"^## .*", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(headings) == len(found), "no section has another form"


def test_a_release_needs_versions_a_date_and_model_files(release, tmp_path, monkeypatch, capfdbinary):
    for place in ("src/pellucid/core", "tests/model/files/1.2"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "src/pellucid/core/version.py").write_text('__version__ = "1.2.0"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 1.2.0\n")
    changes = (
        "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - {}\n\n### Added\n\n- Größe ≥ 1.\n\n## [1.1.0] - 2020-01-01\n\n- Old.\n"
    )
    log = tmp_path / "CHANGELOG.md"
    log.write_text(changes.format("2026-12-24"), encoding="utf-8")
    assert release.problems("v1.2.0", tmp_path) == []
    assert [one.split(" ")[0] for one in release.problems("v1.2.1", tmp_path)] == [
        "pyproject.toml", "src/pellucid/core/version.py", "CITATION.cff", "CHANGELOG.md",
    ]  # fmt: skip
    assert release.problems("1.2.0", tmp_path) == ["the tag 1.2.0 is not of the form v0.2.0"]
    (tmp_path / "tests/model/files/1.2").rmdir()
    log.write_text(changes.format("unreleased"), encoding="utf-8")
    assert release.problems("v1.2.0", tmp_path) == [
        "the section [1.2.0] of CHANGELOG.md has no date, such as 2026-12-24",
        "tests/model/files/1.2 is missing: python -m tests.model.files.make writes it",
    ]
    monkeypatch.setattr(release, "problems", lambda tag: [])
    monkeypatch.setattr(release, "sections", lambda: {"1.2.0": ("2026-12-24", "- Größe ≥ 1.\n")})
    monkeypatch.setattr(sys, "argv", ["release.py", "v1.2.0"])
    release.main()
    assert capfdbinary.readouterr().out == "- Größe ≥ 1.\n".encode()


def test_every_file_can_be_checked_out_on_every_system():
    """Windows and macOS do not tell upper and lower case apart, and Windows reserves names and characters."""
    kept = ("src", "tests", "docs", "benchmarks", ".github", ".ci")
    paths = [
        path.relative_to(ROOT) for folder in kept for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts
    ]
    assert len(paths) > 1000
    seen = {}
    for path in paths:
        for part in path.parts:
            assert portable_name(part) == part
            assert part.isascii()
        assert len(str(path)) < 150, "with its folder, a path of Windows has at most 260 characters"
        key = str(path).casefold()
        assert seen.setdefault(key, path) == path
