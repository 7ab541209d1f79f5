"""The server: it answers its own page only, and refuses all other requests with a message."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest
from conftest import LIMIT, SEVEN

from pellucid import ConfigError
from pellucid.app import connections, guards, server

JSON = {"Content-Type": "application/json"}
GOOD = json.dumps({"strokes": SEVEN})
POINTS = [[1, 1]] * 5


def body(**fields) -> str:
    return json.dumps({"strokes": SEVEN} | fields)


# Method, path, headers, body, and the expected status. The Host is right unless the headers contain it.
HOSTILE = {
    "another host: DNS rebinding": ("GET", "/", {"Host": "evil.example:8137"}, "", 421),
    "another host on a request": ("POST", "/api/predict", {**JSON, "Host": "evil.example"}, GOOD, 421),
    "our host at another port": ("GET", "/api/networks", {"Host": "127.0.0.1:1"}, "", 421),
    "no port": ("GET", "/api/networks", {"Host": "localhost"}, "", 421),
    "an address of the local network": ("GET", "/", {"Host": "192.168.1.4:8137"}, "", 421),
    "another page": ("POST", "/api/predict", {**JSON, "Origin": "https://evil.example"}, GOOD, 403),
    "a page without an origin": ("POST", "/api/predict", {**JSON, "Origin": "null"}, GOOD, 403),
    "our host, another port": ("POST", "/api/predict", {**JSON, "Origin": "http://127.0.0.1:9"}, GOOD, 403),
    "our host, another scheme": (
        "POST",
        "/api/draw/correct",
        {**JSON, "Origin": "https://127.0.0.1:8137"},
        body(label="1"),
        403,
    ),
    "a form of another site": ("POST", "/api/predict", {**JSON, "Sec-Fetch-Site": "cross-site"}, GOOD, 403),
    "an image of another site": ("GET", "/api/draw/corrections", {"Sec-Fetch-Site": "cross-site"}, "", 403),
    "a form with plain text": ("POST", "/api/predict", {"Content-Type": "text/plain"}, GOOD, 415),
    "an URL-encoded form": (
        "POST",
        "/api/train/start",
        {"Content-Type": "application/x-www-form-urlencoded"},
        "data=mnist",
        415,
    ),
    "no content type": ("POST", "/api/predict", {}, GOOD, 415),
    "a body over 64 KB": ("POST", "/api/predict", JSON, json.dumps({"strokes": [[[1.5, 2.5]] * 9000]}), 413),
    "not JSON": ("POST", "/api/predict", JSON, "{", 400),
    "not an object": ("POST", "/api/predict", JSON, "[1]", 400),
    "not UTF-8": ("POST", "/api/predict", JSON, b"\xff\xfe", 400),
    "deeply nested lists": ("POST", "/api/predict", JSON, '{"strokes":' + "[" * 30_000 + "]" * 30_000 + "}", 400),
    "NaN": ("POST", "/api/predict", JSON, '{"strokes": [[[NaN, 1]]]}', 400),
    "a number that overflows to infinity": ("POST", "/api/predict", JSON, '{"strokes": [[[1e999, 1]]]}', 400),
    "a number of 5,000 digits": ("POST", "/api/predict", JSON, '{"strokes": [[[' + "9" * 5000 + ", 1]]]}", 400),
    "a number of 400 digits": ("POST", "/api/predict", JSON, '{"strokes": [[[' + "9" * 400 + ", 1]]]}", 400),
    "a port of 3,000 digits": ("GET", "/", {"Host": "127.0.0.1:" + "9" * 3000}, "", 421),
    "a request target with another host": ("GET", "http://evil.example/api/networks", {}, "", 404),
    "OPTIONS": ("OPTIONS", "/api/predict", {"Origin": "https://evil.example"}, "", 403),
    "OPTIONS of our page": ("OPTIONS", "/api/predict", {}, "", 405),
    "too large coordinates": ("POST", "/api/predict", JSON, '{"strokes": [[[1e300, 1]]]}', 400),
    "too many points": ("POST", "/api/predict", JSON, '{"strokes": [[' + ",".join(["[1,1]"] * 10_500) + "]]}", 400),
    "too many strokes": ("POST", "/api/predict", JSON, json.dumps({"strokes": [POINTS[:1]] * 1001}), 400),
    "no strokes": ("POST", "/api/predict", JSON, '{"strokes": []}', 400),
    "strokes of strings": ("POST", "/api/predict", JSON, '{"strokes": [["a", "b"]]}', 400),
    "points with three coordinates": ("POST", "/api/predict", JSON, '{"strokes": [[[1, 2, 3]]]}', 400),
    "an object for strokes": ("POST", "/api/predict", JSON, '{"strokes": {"length": 1000000000}}', 400),
    "an unknown field": ("POST", "/api/predict", JSON, body(__proto__={"x": 1}), 400),
    "a network that is a path": ("POST", "/api/predict", JSON, body(networks=["../../etc/passwd"]), 404),
    "networks that are not a list": ("POST", "/api/predict", JSON, body(networks="all"), 400),
    "a thousand networks": ("POST", "/api/predict", JSON, body(networks=["a"] * 1000), 400),
    "an unknown normalization": ("POST", "/api/predict", JSON, body(normalization="; rm -rf"), 400),
    "a canvas of size zero": ("POST", "/api/predict", JSON, body(canvas=[0, -1], normalization="none"), 400),
    "a label that is a path": ("POST", "/api/draw/correct", JSON, body(label="../../x"), 400),
    "a parent directory": ("GET", "/static/../server.py", {}, "", 404),
    "the same, percent-encoded": ("GET", "/static/%2e%2e/server.py", {}, "", 404),
    "the same, percent-encoded twice": ("GET", "/static/%252e%252e%252fserver.py", {}, "", 404),
    "the same, with encoded slashes": ("GET", "/static/..%2f..%2fpyproject.toml", {}, "", 404),
    "the same, with backslashes": ("GET", "/static/..%5c..%5cserver.py", {}, "", 404),
    "an absolute path": ("GET", "/static//etc/passwd", {}, "", 404),
    "a NUL in a path": ("GET", "/static/style.css%00.html", {}, "", 404),
    "a long path": ("GET", "/" + "a" * 5000, {}, "", 404),
    "another method": ("PUT", "/api/predict", JSON, GOOD, 405),
    "TRACE": ("TRACE", "/", {}, "", 405),
    "GET instead of POST": ("GET", "/api/predict", {}, "", 405),
    "a page that does not exist": ("GET", "/admin", {}, "", 404),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_requests_are_refused_with_a_message(what, served):
    method, path, headers, content, status = HOSTILE[what]
    at = urlsplit(served)
    headers = {name: value.replace("8137", str(at.port)) for name, value in headers.items()}
    answer, data = send(at, method, path, {"Host": at.netloc, **headers}, content)
    assert answer.status == status, data
    assert json.loads(data)["error"]
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert send(at, "POST", "/api/predict", {"Host": at.netloc, **JSON}, GOOD)[0].status == 200  # the server still works


def send(at, method, path, headers, content):
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=LIMIT)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    content = content.encode() if isinstance(content, str) else content
    for name, value in {**headers, **({"Content-Length": str(len(content))} if content else {})}.items():
        connection.putheader(name, value)
    connection.endheaders()
    with contextlib.suppress(OSError):  # refused before everything was read
        connection.send(content)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer, data


def test_a_chunked_body_is_refused_when_it_is_too_large(served):
    at = urlsplit(served)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=LIMIT)
    chunks = (b'{"strokes": [[' + b"[1,1]," * 1000 for _ in range(100))
    with contextlib.suppress(OSError):  # refused before everything was read
        connection.request("POST", "/api/predict", chunks, {**JSON}, encode_chunked=True)
    assert connection.getresponse().status == 413


def test_a_body_that_does_not_arrive_is_refused(served, monkeypatch):
    monkeypatch.setattr(guards, "BODY_TIMEOUT", 0.2)
    at = urlsplit(served)
    with socket.create_connection((at.hostname, at.port), timeout=LIMIT) as connection:
        head = (
            f"POST /api/predict HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        )
        connection.sendall(head.encode() + b"{")
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("first", [False, True])
def test_headers_that_are_never_finished_lose_their_connection(served, monkeypatch, first):
    monkeypatch.setattr(connections, "HEADER_TIMEOUT", 0.2)
    at = urlsplit(served)
    whole = f"HEAD /static/icon.svg HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode()
    with socket.create_connection((at.hostname, at.port), timeout=LIMIT) as connection:
        if not first:  # the second request of a connection has the same limit
            connection.sendall(whole)
            assert connection.recv(10_000).startswith(b"HTTP/1.1 200")
        connection.sendall(whole[:-2])
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(1000) == b""


def test_idle_connections_do_not_lock_others_out(served, monkeypatch):
    monkeypatch.setattr(connections, "MAX_IDLE", 5)
    at = urlsplit(served)
    with contextlib.ExitStack() as opened:
        idle = [opened.enter_context(socket.create_connection((at.hostname, at.port), timeout=LIMIT)) for _ in range(20)]
        for connection in idle:
            connection.sendall(b"GET / HTTP/1.1\r\n")
        assert send(at, "POST", "/api/predict", {"Host": at.netloc, **JSON}, GOOD)[0].status == 200
        with contextlib.suppress(ConnectionResetError):
            assert idle[0].recv(1000) == b"", "the oldest made room"
        idle[-1].sendall(f"Host: {at.netloc}\r\n\r\n".encode())
        assert idle[-1].recv(1000).startswith(b"HTTP/1.1 200"), "the newest is kept"


def test_the_page_is_served_with_a_strict_policy(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert not any(word in policy for word in ("'unsafe", "http", "*"))
    files = {
        "main.js": "text/javascript",
        "style.css": "text/css",
        "icon.svg": "image/svg+xml",
        "tabs/draw.js": "text/javascript",
        "tabs/draw.css": "text/css",
    }
    for name, media_type in files.items():
        assert client.get(f"/static/{name}").headers["content-type"].startswith(media_type)
    assert client.get("/static/server.py").status_code == 404
    assert not any(word in page.text for word in ("style=", "onclick="))  # the policy would block them


def test_each_tab_has_a_script_a_style_sheet_a_button_and_a_section(client):
    page = client.get("/").text
    for tab in server.TABS:
        name = tab.__name__.rpartition(".")[2]
        assert f'id="tab-{name}"' in page
        assert f'id="{name}"' in page
        assert f'"{name}"' in client.get("/static/main.js").text
        for suffix in ("js", "css"):
            assert client.get(f"/static/tabs/{name}.{suffix}").status_code == 200


def test_requests_of_our_page_are_accepted(client):
    headers = {"Origin": "http://127.0.0.1:8137", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/api/predict", json={"strokes": SEVEN}, headers=headers).status_code == 200


def test_a_public_server_accepts_addresses_but_not_names(state):
    from starlette.testclient import TestClient

    with TestClient(server.application(state, "0.0.0.0"), base_url="http://192.168.7.4:8137") as client:
        assert client.get("/").status_code == 200
        assert client.get("/", headers={"Host": "evil.example:8137"}).status_code == 421


def test_a_port_in_use_is_skipped():
    with server.bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with server.bind("127.0.0.1", port) as second:
            assert port < second.getsockname()[1] < port + server.PORT_ATTEMPTS


def test_windows_shares_no_port(monkeypatch):
    """Its SO_REUSEADDR would let a second server, also that of another program, have the same port."""
    monkeypatch.setattr(server.socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)  # any option of Unix
    with server.bind("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 0


def test_no_free_port(monkeypatch):
    monkeypatch.setattr(server, "PORT_ATTEMPTS", 1)
    with server.bind("127.0.0.1", 0) as first, pytest.raises(ConfigError, match="cannot listen on"):
        server.bind("127.0.0.1", first.getsockname()[1])
    with pytest.raises(ConfigError, match="cannot listen on"):
        server.bind("203.0.113.9", 8137)  # not an address of this machine


def test_a_hundred_clients_at_once(served):
    at, answers, barrier = urlsplit(served), [], threading.Barrier(100)

    def one(number: int) -> None:
        barrier.wait()
        for _ in range(3):
            answer, data = send(at, "POST", "/api/predict", {"Host": at.netloc, **JSON}, GOOD)
            answers.append((answer.status, json.loads(data)["predictions"][0]["label"]))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    assert answers == [(200, "7")] * 300
