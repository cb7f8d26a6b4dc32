"""A throw-away PostgreSQL cluster on a free loopback port."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import psycopg

from tools.servers.absent import ServerMissing
from tools.servers.process import Process, free_port, lives

# fsync off: a killed server keeps its commits, only a lost power supply would not. synchronous_commit stays
# on, because without it a killed server does lose commits it has acknowledged.
_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "log_min_messages": "warning",
    "timezone": "UTC",
}
_NEVER_AS_ROOT = "postgres"  # the account that Debian's package makes; the server refuses to run as root
_PREFIX = "strangler-postgres-"


def programs() -> Path:
    """The folder of initdb and postgres; the newest when several are installed."""
    packaged = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True
    )
    on_path = shutil.which("initdb")
    for found in (*packaged, *([Path(on_path).resolve()] if on_path else [])):
        if (found.parent / "postgres").exists():
            return found.parent
    raise ServerMissing("PostgreSQL")


class Postgres:
    """`with Postgres() as server:` then `server.url`, `server.database()`; data and process go at the end."""

    def __init__(self) -> None:
        self._programs = programs()
        _sweep()
        self._home = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self._numbers = itertools.count(1)
        self._initialised = False
        self.port = free_port()
        options = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        self._process = Process(
            self._as_user(self._programs / "postgres", "-D", self._data, "-p", self.port, *options),
            log=self._home / "log",
            directory=Path("/"),
            last_word=signal.SIGINT,  # PostgreSQL's "fast" end: sessions are cut, data is written
        )

    @property
    def url(self) -> str:
        """The cluster's own database, as SQLAlchemy names it."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """A database's address, as SQLAlchemy names it."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{next(self._numbers)}"
        plain = self.url.replace("+psycopg", "")
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        return self.url_of(name)

    # -- its life ----------------------------------------------------------------------------------

    def start(self) -> Postgres:
        """Start it, and return when it accepts sessions (again, after `kill9`, with its data recovered)."""
        if not self._initialised:
            self._initialise()
        self._process.start()
        self._process.wait_until("PostgreSQL accepts sessions", self._accepts, within=30)
        return self

    restart = start

    def ensure_running(self) -> None:
        """Undo whatever a test did to the process."""
        self._process.sigcont()
        if not self._process.running:
            self.start()

    def kill9(self) -> None:
        """Kill the server and all its sessions at once."""
        self._process.kill9()

    def sigstop(self) -> None:
        """Freeze the server and all its sessions."""
        self._process.sigstop()

    def sigcont(self) -> None:
        """Let them go on."""
        self._process.sigcont()

    def let_in(self, *lines: str) -> None:
        """Put these lines of pg_hba.conf before those that trust everybody."""
        file = self._data / "pg_hba.conf"
        file.write_text("".join(f"{line}\n" for line in lines) + file.read_text())
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("SELECT pg_reload_conf()")

    def base_backup(self) -> Path:
        """What pg_basebackup takes of the running server, with the log that it needs."""
        target = self._home / f"backup-{next(self._numbers)}"
        where = ("-h", "127.0.0.1", "-p", self.port, "-U", "postgres")
        done = subprocess.run(
            self._as_user(self._programs / "pg_basebackup", *where, "-D", target, "-c", "fast", "--no-sync"),
            cwd="/",
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"pg_basebackup failed:\n{done.stdout}{done.stderr}")
        return target

    def restore(self, backup: Path) -> None:
        """Kill it, and start it on what the backup has: what was committed since is gone."""
        self.kill9()
        shutil.rmtree(self._data)
        backup.rename(self._data)
        self.start()

    def close(self) -> None:
        """End it and remove its data."""
        self._process.terminate()
        shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self) -> Postgres:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- details -----------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _initialise(self) -> None:
        self._home.chmod(0o755)  # the account below must pass; the data folder itself stays private
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self._data, _NEVER_AS_ROOT)
            shutil.chown(self._home, _NEVER_AS_ROOT)  # pg_basebackup makes a folder of its own beside it
        options = ("-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
        done = subprocess.run(
            self._as_user(self._programs / "initdb", "-D", self._data, *options),
            cwd="/",
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed:\n{done.stdout}{done.stderr}")
        self._initialised = True

    def _accepts(self) -> bool:
        try:
            psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _as_user(self, *command: str | int | Path) -> list[str]:
        plain = [str(part) for part in command]
        if os.geteuid() != 0:
            return plain
        try:
            pwd.getpwnam(_NEVER_AS_ROOT)
        except KeyError:
            raise ServerMissing(f"the account {_NEVER_AS_ROOT} (PostgreSQL does not run as root)") from None
        who = (f"--reuid={_NEVER_AS_ROOT}", f"--regid={_NEVER_AS_ROOT}", "--init-groups")
        return ["setpriv", *who, *plain]


def _sweep() -> None:
    """Remove the data that starters left who were killed: their process id is in the folder's name."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        starter = left.name.removeprefix(_PREFIX).split("-")[0]
        if starter.isdigit() and not lives(int(starter)):
            shutil.rmtree(left, ignore_errors=True)
