"""Timers and limits of the request path, read once from the environment; the plan holds the rest.

Each field may be set as `STRANGLER_FACADE_<NAME>` (a number: seconds or bytes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from facade.errors import FacadeError

_PREFIX = "STRANGLER_FACADE_"


class SettingsError(FacadeError):
    """A setting has a value that cannot be used."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds and bytes; every default says where it comes from."""

    head: float = 10.0  # a whole head, from its first byte; design value, nginx's 60 is a slowloris' friend
    idle: float = 75.0  # a kept connection between requests; nginx's keepalive_timeout
    body_grace: float = 10.0  # waiting for a body before its rate is looked at
    body_rate: float = 240.0  # bytes a second a body must bring; Apache's mod_reqtimeout asks for 500
    body_silence: float = 30.0  # between two pieces of a body, however quick it was; nginx's 60
    linger: float = 5.0  # reading on after an early refusal, so that the client gets to read it
    connect: float = 1.0  # to a backend in the same building
    stalled_write: float = 30.0  # a peer that takes nothing; nginx's send_timeout is 60
    legacy_silence: float = 60.0  # between two bytes of an answer; nginx's proxy_read_timeout
    extracted_silence: float = 10.0  # the same for a service, which is new and watched
    stream_silence: float = 3600.0  # server-sent events may say nothing for long
    upstream_idle: float = 1.0  # below gunicorn's 2 s: measured, 42 of 1,200 POSTs failed near that
    unsafe_idle: float = 0.25  # an unsafe request takes no older connection, for it cannot be sent twice
    hold_bytes: float = 65_536.0  # of an extracted answer, before legacy can no longer take over
    hold_wait: float = 0.1  # for more of an answer whose length is not known
    readiness_wait: float = 0.0  # from failing /readyz to the drain; a balancer needs some of its probes
    last_answer: float = 1.0  # for kept connections, to be told in an answer that it is their last
    drain: float = 10.0  # for requests in flight at the end
    hang: float = 10.0  # a worker tells its counters every 0.25 s; one silent for so long is killed
    ledger_poll: float = 0.25  # a rollback is seen within one second, with three polls to spare
    reload_poll: float = 0.5  # of the plan's files; a person waits for it
    waiting_bytes: float = 67_108_864.0  # all writes that wait for a flip's end: 170 of the largest
    copies_bytes: float = 67_108_864.0  # all copies of answers that wait for their last byte


def read_limits(env: Mapping[str, str]) -> Limits:
    """The limits with what the environment sets; SettingsError names the bad one."""
    given: dict[str, float] = {}
    for field in fields(Limits):
        text = env.get(_PREFIX + field.name.upper())
        if text is not None:
            given[field.name] = _number(field.name, text, or_none=field.default == 0)
    return Limits(**given)


def _number(name: str, text: str, *, or_none: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e12 and not (or_none and value == 0):
        least = "of at least 0" if or_none else "above 0"
        raise SettingsError(f"{_PREFIX}{name.upper()} is {text!r}; it must be a number {least}")
    return value
