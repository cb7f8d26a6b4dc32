"""How much of anything a peer may send before it is refused: bytes are counted before they are parsed.

Design values, each with its reason; llhttp itself has no limit at all (measured: 50 MB in one header cost
15 to 22 seconds of CPU and no callback).
"""

from __future__ import annotations

MAX_HEAD = 64 * 1024  # twice what nginx and Tomcat allow together for the largest cookies seen in the wild
MAX_HEADERS = 100  # Apache's LimitRequestFields; gunicorn has the same
MAX_TARGET = 8 * 1024  # nginx's large_client_header_buffers, Apache's LimitRequestLine
MAX_INTERIM = 8  # 1xx answers before the final one
MAX_CHUNK_LINE = 256  # a size of at most 16 digits and an extension that nobody reads
MAX_TRAILERS = 8 * 1024  # they are dropped, so this is only patience
FEED = 2 * 1024  # bytes of chunk overhead looked at in one turn of the loop: 400 lines, about a millisecond
FREE_WIRE = 64 * 1024  # bytes of a chunked body before its overhead is looked at
WIRE_PER_BYTE = 16  # a chunked body may not cost more bytes on the wire for each of its own
