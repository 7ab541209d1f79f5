"""Downloads: from the first mirror that responds, from the next one if it fails, and only the right file is kept."""

from __future__ import annotations

import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from pellucid.data.sources import download
from pellucid.data.sources.download import fetch
from pellucid.errors import DataError, FileError

BODY = bytes(range(256)) * 40
HALF = len(BODY) // 2


class Mirrors(BaseHTTPRequestHandler):
    """A server with a path for each behaviour of a mirror."""

    def do_GET(self) -> None:
        kind = self.path.strip("/")
        self.server.asked.append(kind)
        self.send_response(404 if kind == "missing" else 302 if kind == "moved" else 200)
        if kind == "moved":
            self.send_header("Location", "/good")
        if kind in ("good", "wrong", "short", "stall"):
            self.send_header("Content-Length", str(len(BODY)))
        if kind == "huge":
            self.send_header("Content-Length", str(10**12))
        self.end_headers()
        if kind in ("good", "unsized", "endless"):
            self.wfile.write(BODY)
        if kind == "wrong":
            self.wfile.write(b"\0" * len(BODY))
        if kind in ("short", "stall"):
            self.wfile.write(BODY[:HALF])
        if kind in ("stall", "endless"):
            self.wfile.flush()
            self.server.over.wait(60)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirrors)
    server.daemon_threads = True
    server.asked, server.over = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = lambda kind: f"http://127.0.0.1:{server.server_port}/{kind}"
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def first(server, monkeypatch):
    """Let the mirrors respond one after the other: each waits until those before it have failed."""
    request, first_response = download._request, download._first_response
    turn, left = threading.Condition(), [""]

    def set_left(urls: list[str]) -> None:
        with turn:
            left[:] = urls
            turn.notify_all()

    def delayed_request(url: str):
        with turn:
            turn.wait_for(lambda: not left or left[0] == url, 60)
        response = request(url) if left else "the test is over"
        if isinstance(response, str):
            set_left(left[1:])
        return response

    def delayed_first_response(urls, problems):
        set_left(list(urls))
        return first_response(urls, problems)

    monkeypatch.setattr(download, "_request", delayed_request)
    monkeypatch.setattr(download, "_first_response", delayed_first_response)
    yield lambda *kinds: [server.url(kind) for kind in kinds]
    set_left([])


def right(path) -> None:
    if path.read_bytes() != BODY:
        raise FileError(f"{path}: expected the right bytes")


def test_fetches_checks_and_leaves_only_the_file(server, tmp_path, capsys):
    target = tmp_path / "a" / "b" / "file.gz"
    assert fetch([server.url("good")], target, right) == server.url("good")
    assert target.read_bytes() == BODY
    assert os.listdir(target.parent) == ["file.gz"]
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err == f"downloading file.gz from 127.0.0.1:{server.server_port}\n"


@pytest.mark.parametrize("kind", ["moved", "unsized"])
def test_follows_redirects_and_takes_bodies_of_unknown_length(server, tmp_path, kind):
    fetch([server.url(kind)], tmp_path / "file", right)
    assert (tmp_path / "file").read_bytes() == BODY


@pytest.mark.parametrize("kind", ["wrong", "short", "huge", "missing", "stall", "endless"])
def test_fails_over_to_the_next_mirror(first, tmp_path, monkeypatch, kind):
    if kind == "stall":
        monkeypatch.setattr(download, "_STALL_TIMEOUT", 1.0)  # the good mirror has to be faster
    if kind == "endless":
        monkeypatch.setattr(download, "_MAX_SIZE", len(BODY) - 1)
        with pytest.raises(DataError, match="sends more than the limit of 10,239 bytes"):
            fetch(first(kind), tmp_path / "file", right)
        assert os.listdir(tmp_path) == []
        return
    urls = first(kind, "good")
    assert fetch(urls, tmp_path / "file", right) == urls[1]
    assert (tmp_path / "file").read_bytes() == BODY
    assert os.listdir(tmp_path) == ["file"]


def test_the_error_lists_each_mirror_and_the_old_file_stays(server, first, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_STALL_TIMEOUT", 1.0)
    target = tmp_path / "file"
    target.write_bytes(b"old")
    with pytest.raises(DataError) as error:
        fetch(first("missing", "wrong", "short", "huge", "stall"), target, right)
    message = str(error.value)
    for words in (
        "HTTP 404",
        "expected the right bytes",
        "stopped after 5,120 of 10,240 bytes",
        "offers 1,000,000,000,000 bytes",
        "sent no data for 1 s",
        "PELLUCID_DATA",
    ):
        assert words in message
    assert ".part" not in message
    assert target.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
    assert set(server.asked) == {"huge", "missing", "short", "stall", "wrong"}


def test_mirrors_are_requested_at_the_same_time(server, tmp_path, monkeypatch):
    together = threading.Barrier(3)
    request = download._request
    monkeypatch.setattr(download, "_request", lambda url: together.wait(60) >= 0 and request(url))
    fetch([server.url(kind) for kind in ("good", "moved", "unsized")], tmp_path / "file", right)
    assert (tmp_path / "file").read_bytes() == BODY


def test_no_network_is_noticed_in_time(tmp_path, monkeypatch):
    """One mirror accepts the connection and sends nothing, one refuses it, and the lookup of the third blocks."""
    assert download._RESPONSE_TIMEOUT < 5, "promised: within 5 seconds"
    monkeypatch.setattr(download, "_RESPONSE_TIMEOUT", 2.0)
    monkeypatch.setenv("no_proxy", "*")
    over, lookup = threading.Event(), socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *rest: over.wait(60) and [] if host == "hangs.test" else lookup(host, *rest)
    )
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.create_server(("127.0.0.1", 0)) as closed:
        ports = silent.getsockname()[1], closed.getsockname()[1]
        closed.close()
        urls = [f"http://127.0.0.1:{ports[0]}/", f"http://127.0.0.1:{ports[1]}/", "http://hangs.test/"]
        with pytest.raises(DataError) as error:
            fetch(urls, tmp_path / "file", right)
    over.set()
    for words in (f"127.0.0.1:{ports[0]}: no response", f"127.0.0.1:{ports[1]}: [Errno", "hangs.test: no response"):
        assert words in str(error.value)
    assert os.listdir(tmp_path) == []


def test_an_interruption_leaves_no_file(server, tmp_path, monkeypatch):
    chunk, seen = download._chunk, []

    def interrupted(response) -> bytes:
        if seen:
            seen.append(os.listdir(tmp_path))
            raise KeyboardInterrupt
        seen.append(chunk(response))
        return seen[0]

    monkeypatch.setattr(download, "_chunk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch([server.url("stall")], tmp_path / "file", right)
    assert len(seen[1]) == 1  # the temporary file existed,
    assert os.listdir(tmp_path) == []  # and was removed


def test_a_late_response_is_closed(monkeypatch):
    release, closed = threading.Event(), threading.Event()

    class Late:
        def close(self) -> None:
            closed.set()

    monkeypatch.setattr(download, "_request", lambda url: release.wait(60) and Late() if url == "late" else "early")
    clock = iter([0.0, 0.0, 60.0])  # at the beginning, before the first response, and before the late one
    monkeypatch.setattr(download, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    problems: dict[str, str] = {}
    assert download._first_response(["late", "no"], problems) is None
    assert problems == {"no": "early"}
    assert not closed.is_set()
    release.set()
    assert closed.wait(60)


def test_a_target_that_cannot_be_written_is_a_file_error(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match="folder cannot be created"):
        fetch([server.url("good")], tmp_path / "file" / "below", right)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileError, match="cannot be written"):
        fetch([server.url("good")], tmp_path / "folder", right)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://127.0.0.1:99999999/", "http://[bad/"])
def test_an_invalid_url_is_a_mirror_that_fails(tmp_path, url):
    with pytest.raises(DataError, match="could not be downloaded") as error:
        fetch([url], tmp_path / "file", right)
    assert "no response" not in str(error.value)  # it fails at once


def test_a_terminal_gets_a_progress_bar(server, tmp_path, monkeypatch):
    class Terminal:
        encoding = "utf-8"
        text = ""

        def write(self, text: str) -> int:
            self.text += text
            return len(text)

        def flush(self) -> None:
            pass

        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    fetch([server.url("good")], tmp_path / "file", right)
    assert "file from 127.0.0.1" in terminal.text
    assert "100%" in terminal.text or "10.2/10.2 kB" in terminal.text


def test_without_a_standard_error_nothing_is_printed(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", None)
    fetch([server.url("good")], tmp_path / "file", right)
    assert capsys.readouterr().out == ""
