"""What can go wrong on the request path, by whose fault it is."""

from __future__ import annotations

from facade.core.problem import Problem


class FacadeError(Exception):
    """The root: its message says what happened, where, and what to do next."""


class PortInUse(FacadeError, OSError):
    """Somebody listens on a port of ours already; an OSError, because that is what it was."""

    exit_code = 3


class UpstreamError(FacadeError):
    """The backend's fault; `kind` is one of the words that metrics and messages use.

    connect, connect_timeout, first_byte_timeout, disconnected, malformed, cut, stalled, server_error.
    """

    def __init__(self, kind: str, upstream: str, detail: str = "") -> None:
        """`upstream` is the name of the backend, `detail` is for the operator's eyes."""
        super().__init__(f"{upstream}: {kind}{f' ({detail})' if detail else ''}")
        self.kind, self.upstream, self.detail = kind, upstream, detail


class ClientGone(FacadeError):
    """The client went away, or does not take what it asked for; nobody is left to tell."""


class Refused(FacadeError):
    """The request is refused; `problem` is what the client is told."""

    def __init__(self, problem: Problem) -> None:
        """Carry the answer to the edge."""
        super().__init__(problem.detail)
        self.problem = problem
