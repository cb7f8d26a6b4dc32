"""The real servers that tests and people start: PostgreSQL, Unleash, Chromium; on free loopback ports.

Nothing here installs anything (that is tools/services.py), and nothing started here outlives who started it.
"""

from tools.servers.absent import ServerMissing
from tools.servers.chromium import chromium
from tools.servers.postgres import Postgres
from tools.servers.process import Process, free_port, lives, wait_until
from tools.servers.unleash import Unleash

__all__ = ["Postgres", "Process", "ServerMissing", "Unleash", "chromium", "free_port", "lives", "wait_until"]
