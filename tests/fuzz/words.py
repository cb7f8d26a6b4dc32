"""Words of HTTP that a mutation puts in; blind chance would not spell them."""

from __future__ import annotations

from tests.fuzz.world import SHADOW_TOKEN

_NAMES = b"""
Host Content-Length Transfer-Encoding Connection Keep-Alive Proxy-Connection TE Trailer Upgrade
HTTP2-Settings Expect Via Cookie Authorization Forwarded X-Forwarded-For X-Forwarded-Host
X-Forwarded-Proto X-Forwarded-Prefix X-Real-IP X-Strangler-Token X-Strangler-Side X-Shadow X-Request-Id
X-Original-URL X-Rewrite-URL X-HTTP-Method-Override If-None-Match If-Match If-Range Range ETag Location
Content-Location Set-Cookie Cache-Control WWW-Authenticate Content-Type Accept Remote-User X-Client-Cert
Sec-WebSocket-Key traceparent X_Forwarded_For Content_Length Transfer_Encoding X_Shadow
Proxy-Authorization Proxy-Authenticate
""".split()
_VALUES = b"""
chunked identity gzip, close keep-alive upgrade websocket 100-continue trailers 0 1 5 005 +5 -1 0x5 5,5
18446744073709551616 999999999999999999 host content-length cookie x-forwarded-for bytes=0-1 "a" W/"a"
"sf-l-1" "sf-x-1" * a.test [::1]:80 a.test:80 user@a.test 10.0.0.1 192.0.2.1 https http://a.test/
//legacy.test:5001/ fe80::1%x
""".split()
_PIECES = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b"  ", b":", b": ", b" :", b",", b";",
    b"\r\n ", b"\x0b", b"\xff", b"\xc3\xa9", b"\x7f", b"0\r\n\r\n", b"5\r\nhello\r\n", b";a=b",
    b';a="b;c"', b"fffffffffffffff", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b" HTTP/1.1\r\n",
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 204 \r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\n", b"GET ", b"HEAD ", b"POST ", b"OPTIONS * ", b"CONNECT a:1 ",
    b"PROPFIND ", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"http://", b"%2F", b"%2e%2e", b"%00", b"%",
    b"/../", b"//", b"\\", b"#", b"?", b"_method=PUT", b"Host: a\r\n", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Upgrade: websocket\r\nConnection: upgrade\r\n",
)  # fmt: skip
WORDS = (*_NAMES, *_VALUES, *_PIECES, SHADOW_TOKEN)
