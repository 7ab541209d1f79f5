"""``pellucid draw``: it prints its address, serves the page, skips a port in use, and ends at Ctrl-C."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from urllib.request import urlopen

from conftest import LIMIT
from typer.testing import CliRunner

from pellucid.cli import application

CODE = "from pellucid.cli import main; main()"


def test_it_prints_its_address_serves_the_page_and_ends_at_ctrl_c(trained_runs, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        command = [sys.executable, "-c", CODE, "draw", str(trained_runs[0]), "--no-open", "--port", str(port)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        assert f"port {port} is in use" in process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        with urlopen(address, timeout=LIMIT) as page:  # it listens before it prints the address
            assert b"Pellucid" in page.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []  # nothing was written


def test_an_invalid_run_is_refused_before_the_server_starts(tmp_path):
    (tmp_path / "empty").mkdir()
    result = CliRunner().invoke(application(), ["draw", str(tmp_path / "empty"), "--no-open", "--port", "0"])
    assert result.exit_code == 2
    assert "is not a run folder" in result.stderr


def test_without_its_extra_it_names_the_package_to_install():
    code = "import sys; sys.modules['starlette'] = None; from pellucid.cli import main; main()"
    result = subprocess.run([sys.executable, "-c", code, "draw", "--no-open"], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == "error: the drawing mode needs Starlette and uvicorn: pip install 'pellucid[app]'\n"


def test_help_lists_the_options():
    text = CliRunner().invoke(application(), ["draw", "--help"]).output
    for word in ("--port", "--host", "--no-open", "--data-dir", "--corrections"):
        assert word in text
