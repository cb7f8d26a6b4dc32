"""Which modules `make compiled` compiles, and which of those that a request passes stay interpreted, and why.

A dataclass whose objects are serialised as they are must not be compiled: orjson looks for slots or a
__dict__, a mypyc object has neither, and the process ends with a segmentation fault (orjson 3.13, mypyc 2.4).

A test holds this to the imports: what a compiled module imports from a room is in one of the two tables.
"""

from __future__ import annotations

from collections.abc import Mapping

COMPILED: tuple[str, ...] = (
    "facade/admission.py",
    "facade/after.py",
    "facade/attempt.py",
    "facade/circuits.py",
    "facade/copies.py",
    "facade/passage.py",
    "facade/ports.py",
    "facade/proxy.py",
    "facade/relay.py",
    "facade/sides.py",
    "facade/adapters/answering.py",
    "facade/adapters/client.py",
    "facade/adapters/pool.py",
    "facade/adapters/server.py",
    "facade/adapters/telling.py",
    "facade/adapters/tunnel.py",
    "facade/adapters/uploading.py",
    "facade/adapters/upstream.py",
    "facade/core/blame.py",
    "facade/core/breaker.py",
    "facade/core/caching.py",
    "facade/core/clean.py",
    "facade/core/decide.py",
    "facade/core/forward.py",
    "facade/core/host.py",
    "facade/core/http1/answers.py",
    "facade/core/http1/chunks.py",
    "facade/core/http1/fields.py",
    "facade/core/http1/forwarding.py",
    "facade/core/http1/framing.py",
    "facade/core/http1/head.py",
    "facade/core/http1/limits.py",
    "facade/core/http1/requests.py",
    "facade/core/http1/target.py",
    "facade/core/http1/writing.py",
    "facade/core/incoming.py",
    "facade/core/keeping.py",
    "facade/core/key.py",
    "facade/core/login.py",
    "facade/core/methods.py",
    "facade/core/problem.py",
    "facade/core/refuse.py",
    "facade/core/retry.py",
    "facade/core/returned.py",
    "facade/core/trace.py",
    "facade/core/upstream.py",
    "facade/core/websocket.py",
    "migration/core/bucket.py",
    "migration/core/match.py",
    "migration/core/signing.py",
    "migration/core/stages.py",
    "shadow/sender.py",
    "shadow/tap.py",
    "shadow/core/books.py",
    "shadow/core/exchange.py",
)

INTERPRETED: Mapping[str, str] = {
    "facade/errors.py": "one is an OSError, and mypyc compiles no subclass of that",
    "facade/settings.py": "read once, when a worker starts",
    "facade/adapters/log.py": "a line for what goes wrong, none for a request",
    "facade/adapters/tcp.py": "options of a socket, once for a connection",
    "facade/adapters/metrics_text.py": "to count is to add to an attribute; the rest is for /metrics",
    "facade/adapters/numbers.py": "lists its metrics with vars(), and mypyc's objects have no __dict__",
    "facade/core/headers.py": "its Fields is a list of another kind, and mypyc compiles no subclass of list",
    "facade/core/workers.py": "divides the limits among workers, once for each plan",
    "migration/core/effective.py": "its rows go to the workers through orjson, as they are",
    "migration/core/plan.py": "values that are made once; beyond the facade, others may serialise them",
    "migration/core/template.py": "asked when a plan is read; requests are matched by match.py",
    "migration/core/flags.py": "keeps what it computed in __dict__; asked when flags change",
    "shadow/address.py": "where the tap's socket is, asked when it connects",
    "shadow/core/frames.py": "its reader tells true from 1, an int of mypyc's does not; once for a batch",
    "shadow/line.py": "a subclass of asyncio.Protocol, asked once for a batch of exchanges",
}
