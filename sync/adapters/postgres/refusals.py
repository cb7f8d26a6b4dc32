"""Why no session could be had, from the words of libpq and the server: at that time there is no SQLSTATE."""

from __future__ import annotations

_ADDRESS = "in the plan's address of it, or in the environment variable that holds it"
_TAKEN = (
    "all its connections are taken, and it is tried again. Next: end those that nobody needs, or raise "
    "max_connections (or the CONNECTION LIMIT of the role or the database)"
)
# What is said, and what to do about it: what comes last on the way in first.
_CURES = (
    ("password authentication failed", f"Next: correct the password {_ADDRESS}"),
    ("no password supplied", f"Next: write the password {_ADDRESS}"),
    ("is not permitted to log in", f"Next: ALTER ROLE … LOGIN, or name another role {_ADDRESS}"),
    ("too many c", _TAKEN),
    ("remaining connection slots", _TAKEN),
    ("role ", f"there is no such role. Next: CREATE ROLE … LOGIN, or correct its name {_ADDRESS}"),
    ("database ", f"there is no such database. Next: CREATE DATABASE, or correct its name {_ADDRESS}"),
    ("does not support SSL", f"Next: switch TLS on in the server, or take sslmode out {_ADDRESS}"),
    ("certificate", f"Next: name the authority of its certificate (sslrootcert=FILE) {_ADDRESS}"),
    ("no encryption", f"it asks for TLS from here. Next: add ?sslmode=require {_ADDRESS}"),
    ("pg_hba.conf", "it lets this role in from elsewhere only. Next: add a line for it to pg_hba.conf"),
    ("the database system is", "it comes or goes, and is tried again. Next: look at the server's log"),
    ("resolve host", f"there is no such host. Next: correct it {_ADDRESS}"),
    ("invalid ", f"Next: correct that word {_ADDRESS}"),
    ("Connection refused", "nobody listens there. Next: start the server, or correct the port"),
)
_NOT_THERE = ("role ", "database ")
_UNKNOWN = "is the server up, and may we log in?"


def why_not(error: str) -> str:
    """The line that says why, with the cure; several addresses of a host may have been tried."""
    lines = [line.strip().removeprefix("- ") for line in error.strip().splitlines() if line.strip()]
    for said, cure in _CURES:
        for line in lines:
            if said in line and (said not in _NOT_THERE or "does not exist" in line):
                return f"{line}; {cure}, then: strangler doctor"
    return f"{lines[0] if lines else 'no connection'}; {_UNKNOWN}"
