"""`strangler diff`: two servers, a list of paths, no set-up: what is told, and with which exit code."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from desk.cli.door import run

JSON = {"Content-Type": "application/json"}


@dataclass
class Server:
    """Answers by path: (status, headers, body)."""

    answers: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    url: str = ""

    def json(self, path: str, value: object, **headers: str) -> None:
        self.answers[path] = (200, JSON | headers, json.dumps(value).encode())


def serve(server: Server) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.seen.append(self.path)
            status, headers, body = server.answers.get(self.path, (404, JSON, b'{"error": "not_found"}'))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if headers.get("X-Die"):
                self.wfile.write(body[:3])
                self.close_connection = True
                return
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.daemon_threads = True
    threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True).start()
    server.url = f"http://127.0.0.1:{found.server_address[1]}"
    return found


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server]]:
    old, new = Server(), Server()
    running = [serve(old), serve(new)]
    yield old, new
    for one in running:
        one.shutdown()
        one.server_close()


def diff(pair: tuple[Server, Server], paths: list[str], *options: str) -> subprocess.CompletedProcess[str]:
    out, err = io.StringIO(), io.StringIO()
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write("\n".join(paths))
        file.flush()
        words = ["diff", pair[0].url, pair[1].url, "--paths", file.name, *options]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def both(pair: tuple[Server, Server], path: str, old: object, new: object) -> None:
    pair[0].json(path, old)
    pair[1].json(path, new)


def test_all_equal_is_a_yes_whatever_the_order_of_keys(pair):
    both(pair, "/a", {"x": 1, "y": 2}, {"y": 2, "x": 1})
    done = diff(pair, ["/a", "", "# a remark", "/nowhere"])
    assert (done.returncode, done.stdout) == (0, "2 paths: 2 equal, 0 differ.\n")


def test_differences_are_grouped_by_place_and_kind_with_one_sample(pair):
    for at in range(3):
        both(pair, f"/p/{at}", {"items": [{"price": at}]}, {"items": [{"price": str(at)}]})
    done = diff(pair, [f"/p/{at}" for at in range(3)], "--json", "--concurrency", "1")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["schema_version"], told["equal"], told["differing"]) == (1, 0, 3)
    assert told["findings"] == [
        {
            "kind": "type",
            "where": "items[*].price",
            "paths": 3,
            "places": 3,
            "example": "/p/0",
            "old": "0",
            "new": '"0"',
        }
    ]


CASES = {
    "1 and true and 1.0": ({"a": 1}, {"a": True}, "type"),
    "long numbers": ({"a": 123456789012345678901}, {"a": 123456789012345678902}, "value"),
    "missing": ({"a": 1, "b": 2}, {"a": 1}, "missing"),
    "null": ({"a": 1}, {"a": None}, "null"),
}


@pytest.mark.parametrize(("old", "new", "kind"), CASES.values(), ids=CASES)
def test_what_python_would_call_equal_is_a_difference(pair, old, new, kind):
    both(pair, "/a", old, new)
    told = json.loads(diff(pair, ["/a"], "--json").stdout)
    assert [one["kind"] for one in told["findings"]] == [kind]


def test_status_headers_and_other_bodies_are_compared_too(pair):
    old, new = pair
    old.json("/gone", {})
    old.answers["/page"] = (200, {"Content-Type": "text/html"}, b"<p>\none\n</p>")
    new.answers["/page"] = (200, {"Content-Type": "text/html"}, b"<p>\ntwo\n</p>")
    old.json("/cached", {}, **{"Cache-Control": "private"})
    new.json("/cached", {})
    done = diff(pair, ["/gone", "/page", "/cached"])
    assert done.returncode == 1
    for part in ("status", "200", "404", "line 2: one", "line 2: two", "private"):
        assert part in done.stdout


def test_a_redirect_to_each_servers_own_address_is_no_difference_and_is_not_followed(pair):
    for server in pair:
        server.answers["/old"] = (302, {"Location": f"{server.url}/new"}, b"")
    assert diff(pair, ["/old"]).returncode == 0
    assert "/new" not in pair[0].seen + pair[1].seen


def test_gzip_is_undone_before_comparing(pair):
    pair[0].json("/a", {"x": 1})
    packed = gzip.compress(b'{"x": 1}')
    pair[1].answers["/a"] = (200, JSON | {"Content-Encoding": "gzip"}, packed)
    assert diff(pair, ["/a"]).returncode == 0


def test_a_bomb_is_not_unpacked(pair):
    bomb = gzip.compress(b" " * 200_000_000, 1)
    for server, tail in zip(pair, (b"", b" "), strict=True):
        server.answers["/a"] = (200, JSON | {"Content-Encoding": "gzip"}, bomb + gzip.compress(tail))
    done = diff(pair, ["/a"])
    assert (done.returncode, "1 not compared" in done.stdout) == (4, True)


def test_what_the_old_server_did_not_answer_was_not_compared(pair):
    both(pair, "/a", {}, {})
    pair[0].answers["/b"] = (200, JSON | {"X-Die": "yes"}, b'{"x": 1}')
    done = diff(pair, ["/a", "/b"])
    assert done.returncode == 4
    assert "2 paths: 1 equal, 0 differ, 1 not compared." in done.stdout


def test_what_only_the_new_server_did_not_answer_is_a_difference(pair):
    both(pair, "/a", {}, {})
    pair[1].answers["/a"] = (200, JSON | {"X-Die": "yes"}, b'{"x": 1}')
    assert diff(pair, ["/a"]).returncode == 1


def test_a_place_can_be_left_out(pair):
    both(pair, "/a", {"at": 1, "x": [{"at": 1}]}, {"at": 2, "x": [{"at": 3}]})
    assert diff(pair, ["/a"], "--ignore", "at", "--ignore", "x[*].at").returncode == 0
    assert diff(pair, ["/a"], "--ignore", "at").returncode == 1


def test_paths_are_sent_as_they_were_written(pair):
    paths = ["/a%2Fb//c", "/search?q=a%20b&x=[1]", "/k%C3%BCche", "/küche"]
    diff(pair, paths, "--concurrency", "1")
    # The first path is asked twice: once to see that the server is there at all.
    assert pair[0].seen == [paths[0], *paths[:3], "/k%C3%BCche"]


def test_text_from_a_server_cannot_steer_the_terminal_or_the_html_page(pair, tmp_path):
    both(pair, "/a", {"x": "\x1b]0;owned\x07<script>alert(1)</script>"}, {"x": "\u202egone"})
    page = tmp_path / "out.html"
    done = diff(pair, ["/a"], "--html", str(page))
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "<script>" not in page.read_text()
    assert "&lt;script&gt;" in page.read_text()
    assert "Content-Security-Policy" in page.read_text()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nonsense", "http://127.0.0.1:1", "--paths", "-"], 2, "is no server to ask"),
        (["http://127.0.0.1:1", "http://127.0.0.1:1", "--paths", "-"], 3, "is not there"),
        (["http://127.0.0.1:1", "http://127.0.0.1:1", "--paths", "/no/such/file"], 2, "No such file"),
        (["http://127.0.0.1:1", "http://127.0.0.1:1"], 2, "--paths"),
        (["http://127.0.0.1:1", "http://127.0.0.1:1", "--paths", "-", "--ignore", "a..b"], 2, "is no path"),
        (["http://127.0.0.1:1", "http://127.0.0.1:1", "--paths", "-", "--header", "x"], 2, "NAME:VALUE"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_paragraph(words, code, said):
    done = subprocess.run(
        [sys.executable, "-m", "desk", "diff", *words],
        input="/a\n",
        text=True,
        capture_output=True,
        timeout=30,
    )
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (code, True, False), (
        done.stderr
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "api/x\n", "/a b\n", "http://x/\n"])
def test_a_list_without_paths_or_with_other_lines_is_refused(pair, text):
    assert diff(pair, [text]).returncode == 2
