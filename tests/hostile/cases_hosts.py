"""Host: whom a request is for must be plain to everybody behind us."""

from __future__ import annotations

from tests.hostile.build import AT, HOST, MARK, latin, passed, refusal, request, sent
from tests.hostile.case import Case, Upstream

_HOSTS: dict[str, list[str]] = {
    "missing": [],
    "twice, equal": [f"Host: {HOST}", f"Host: {HOST}"],
    "twice, different": [f"Host: {HOST}", "Host: evil.test"],
    "twice, in other letters": [f"Host: {HOST}", "hOST: evil.test"],
    "empty": ["Host:"],
    "blank": ["Host: \t "],
    "with a blank inside": ["Host: a b"],
    "with a tab inside": ["Host: a\tb"],
    "a list": [f"Host: {HOST}, evil.test"],
    "a URL": [f"Host: http://{HOST}"],
    "with a path": [f"Host: {HOST}/x"],
    "with a query": [f"Host: {HOST}?x"],
    "with a fragment": [f"Host: {HOST}#x"],
    "with a user": [f"Host: me@{HOST}"],
    "with a password": [f"Host: me:secret@{HOST}"],
    "with a backslash": [f"Host: {HOST}\\@evil.test"],
    "with a port of letters": [f"Host: {HOST}:http"],
    "with an endless port": [f"Host: {HOST}:123456"],
    "with a signed port": [f"Host: {HOST}:+80"],
    "with two ports": [f"Host: {HOST}:80:80"],
    "a port alone": ["Host: :80"],
    "an unclosed address": ["Host: [::1"],
    "an address with a tail": ["Host: [::1]evil.test"],
    "brackets around a name": [f"Host: [{HOST}]"],
    "an empty address": ["Host: []"],
    "with a percent sign": ["Host: shop%2etest"],
    "with a tag": ["Host: <script>"],
    "with quotes": [f'Host: "{HOST}"'],
    "with a semicolon": [f"Host: {HOST};x"],
    "with a high byte": ["Host: sh\xf6p.test"],
    "with a control": ["Host: shop\x01.test"],
    "of 300 letters": ["Host: " + "a" * 300],
    "behind a bare LF": ["X-A: 1\nHost: shop.test"],
    "behind a blank": [f"Host : {HOST}"],
    "with a star": ["Host: *"],
}  # fmt: skip

_GOOD_HOSTS = (
    "shop.test", "shop.test:80", "SHOP.test", "shop.test.", "127.0.0.1", "127.0.0.1:8000", "[::1]",
    "[::1]:80",    "a", "x-1.y_2.z~3", "xn--shp-sna.test",
)  # fmt: skip


def cases() -> list[Case]:
    """Every case of this subject."""
    about = "Whom the request is for must be plain to everybody behind us."
    found = []
    for name, lines in _HOSTS.items():
        head = "\r\n".join([f"GET {AT} HTTP/1.1", *lines, MARK, "", ""])
        found.append(refusal(f"host: {name}", "host", about, latin(head), 400))
    for host in _GOOD_HOSTS:
        one = request(host=host)
        found.append(
            passed(f"host: {host} passes", "host", about, one, Upstream(head=sent(host=host)), closed=False)
        )
    padded = latin(f"GET {AT} HTTP/1.1\r\nHost: \t{HOST} \t\r\n{MARK}\r\n\r\n")
    found.append(
        passed(
            "host: blanks around it",
            "blanks",
            "They are stripped.",
            padded,
            Upstream(head=sent()),
            closed=False,
        )
    )
    return found
