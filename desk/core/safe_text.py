"""Text from outside, made safe for a terminal.

Bodies, paths, flag files and build ids come from people we do not know. A terminal obeys what it is sent:
escape sequences move the cursor, rename the window, and on some terminals type commands (CVE-2003-0063);
bidirectional overrides make a line read as something else ("Trojan Source", CVE-2021-42574).
"""

from __future__ import annotations

import unicodedata

# Control; format (bidi overrides, zero width, soft hyphen); private; lone surrogates; line separators.
_UNSAFE = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


def printable(text: str, limit: int | None = None) -> str:
    """`text` on one line, what a terminal might obey written as an escape; cut at `limit` characters."""
    shown = text if text.isascii() and text.isprintable() else "".join(map(_shown, text))
    return shown if limit is None or len(shown) <= limit else shown[: max(limit - 1, 0)] + "…"


def _shown(char: str) -> str:
    if unicodedata.category(char) not in _UNSAFE:
        return char
    known = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
    if known is not None:
        return known
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
