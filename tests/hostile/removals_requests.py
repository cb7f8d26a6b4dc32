"""What holds the rules about what a client sends."""

from __future__ import annotations

from tests.hostile.removal import both, lenient, without

_CLEAN = "facade.core.clean"
_INCOMING = "facade.core.incoming"
_METHODS = "facade.core.methods"
_HEAD = "facade.core.http1.head"
_FIELDS = "facade.core.http1.fields"
_FRAMING = "facade.core.http1.framing"
_TARGET = "facade.core.http1.target"
_CHUNKS = "facade.core.http1.chunks"
_LIMITS = "facade.core.http1.limits"
_READER = "facade.core.http1.requests"
_CLIENT = "facade.adapters.client"
_ATTEMPT = "facade.attempt"
_DECIDE = "facade.core.decide"
_IF_LONGER = 'if end != len(method) + len(recorder.target) + len("  HTTP/1.1"):'
_ANY_WIRE = ("FREE_WIRE = 64 * 1024 ", "FREE_WIRE = 8**9 ")

REQUESTS = (
    # requests: what llhttp leaves to us
    without(
        "upgrade_with_body",
        "the check",
        _CLEAN,
        "if _UPGRADE in noted and (_LENGTH in noted or _CODING in noted):",
        "if False:",
    ),
    without(
        "upgrade_removed",
        "the upgrade's removal",
        _FIELDS,
        'b"upgrade": Kind.UPGRADE,\n    b"expect"',
        'b"upgrade": Kind.KEEP,\n    b"expect"',
    ),
    without(
        "tunnel",
        "the 101's validation",
        _ATTEMPT,
        "return call.tunnel and is_accepted(call.request.noted, head.fields.noted)",
        "return call.tunnel",
    ),
    without("head_limits", "the head's size", _LIMITS, "MAX_HEAD = 64 * 1024 ", "MAX_HEAD = 64 * 1024**2 "),
    without("head_limits", "the number of fields", _LIMITS, "MAX_HEADERS = 100 ", "MAX_HEADERS = 10**9 "),
    without("head_limits", "the target's length", _LIMITS, "MAX_TARGET = 8 * 1024 ", "MAX_TARGET = 8**9 "),
    # (the count of thin bodies would hold these two as well)
    without(
        "chunk_limits",
        "a chunk line's length",
        _LIMITS,
        "MAX_CHUNK_LINE = 256 ",
        "MAX_CHUNK_LINE = 8**9 ",
        *_ANY_WIRE,
    ),
    without(
        "chunk_limits",
        "trailers' length",
        _LIMITS,
        "MAX_TRAILERS = 8 * 1024 ",
        "MAX_TRAILERS = 8**9 ",
        *_ANY_WIRE,
    ),
    without("thin_body", "the count", _CHUNKS, "if self._wire > FREE_WIRE and", "if False and"),
    without("pipelining", "one at a time", _CLIENT, "if phase <= _HEAD:", "if phase <= _BUSY:"),
    without("host", "one Host", _FRAMING, "elif len(found) > 1:", "elif False:"),
    without("host", "a Host", _FRAMING, "if version >= (1, 1):", "if False:"),
    without("host", "the Host's grammar", _FRAMING, "elif not is_host(found[0]):", "elif False:"),
    without("target_form", "the authority's grammar", _FRAMING, "if not is_host(authority):", "if False:"),
    without(
        "coding",
        "exactly one 'chunked'",
        _FRAMING,
        'if len(coding) != 1 or coding[0].strip(b" \\t").lower() != b"chunked":',
        "if False:",
    ),
    without(
        "coding",
        "HTTP/1.0",
        _FRAMING,
        'if version < (1, 1):\n        raise refuse(400, "coding',
        'if False:\n        raise refuse(400, "coding',
    ),
    without("length", "18 digits", _FRAMING, "or len(length[0]) > _DIGITS:", "or False:"),
    without(
        "version",
        "the check",
        _HEAD,
        "version = _VERSIONS.get(raw[end - 9 : end])",
        "version = _VERSIONS.get(raw[end - 9 : end], (1, 1))",
    ),
    without(
        "target_form",
        "origin or http(s)",
        _TARGET,
        "    if found is None:\n",
        "    if found is None:\n        return None, raw\n    if found is None:\n",
    ),
    without(
        "target_form", "the authority as Host", _INCOMING, "if target.authority is not None:", "if False:"
    ),
    without("target_bytes", "the check", _TARGET, "if _UNSAFE.search(origin):", "if False:"),
    both(
        "leading_blank",
        "the first byte, and the line's length",
        without(
            "", "", _READER, "if len(buffer) > start and not 65 <= buffer[start] <= 90 and", "if False and"
        ),
        without("", "", _HEAD, _IF_LONGER, "if False:"),
    ),
    without("smuggling", "the line's length", _HEAD, _IF_LONGER, "if False:"),
    both("head_bytes", "llhttp's strictness", lenient("HttpRequestParser")),
    both(
        "smuggling",
        "length and coding",
        lenient("HttpRequestParser"),
        without(
            "",
            "",
            _FRAMING,
            "if length is not None:\n        raise refuse(400",
            "if False:\n        raise refuse(400",
        ),
    ),
    without(
        "smuggling",
        "a chunk's end",
        _CHUNKS,
        'if found == b"\\r\\n":\n            self._state = _SIZES',
        "if len(found) == 2:\n            self._state = _SIZES",
    ),
    without(
        "blanks",
        "stripping",
        _HEAD,
        "headers = _stripped(headers)\n    fields = sort_request",
        "pass\n    fields = sort_request",
    ),
    # 1: clean
    without(
        "hop_by_hop",
        "names",
        _FIELDS,
        "if folded in HOP_BY_HOP or is_internal(folded):",
        "if is_internal(folded):",
    ),
    without(
        "hop_by_hop",
        "what Connection names",
        _CLEAN,
        "return Fields(field for field in kept if fold(field[0]) not in named)",
        "return kept",
    ),
    without(
        "connection_names",
        "the check",
        _CLEAN,
        "if any(name in _NEVER_NAMED or",
        "if False and any(name in _NEVER_NAMED or",
    ),
    without(
        "internal_names",
        "ours",
        _FIELDS,
        "return folded.startswith(_INTERNAL_PREFIXES) or folded in REWRITING",
        "return folded in REWRITING",
    ),
    without(
        "internal_names",
        "those that rewrite",
        _FIELDS,
        "return folded.startswith(_INTERNAL_PREFIXES) or folded in REWRITING",
        "return folded.startswith(_INTERNAL_PREFIXES)",
    ),
    without(
        "internal_names",
        "identities",
        _FIELDS,
        "return folded in FORWARDING or folded in IDENTITY or",
        "return folded in FORWARDING or",
    ),
    without("underscores", "the check", _FIELDS, 'if b"_" in name:', "if False:"),
    without(
        "forwarding",
        "names",
        _FIELDS,
        "return folded in FORWARDING or folded in IDENTITY or",
        "return folded in IDENTITY or False and",
    ),
    without("override", "fields", _INCOMING, "override=_OVERRIDE in noted", "override=False"),
    without(
        "override", "the query", _METHODS, "and not override and not _overridden(query)", "and not override"
    ),
    without("loop", "the count", _INCOMING, "if _VIA in noted and times_seen", "if False and times_seen"),
    # 2: the target
    without(
        "original_bytes",
        "them",
        _TARGET,
        "return Target(origin, parts,",
        'return Target(origin.replace(b"//", b"/").replace(b"%2F", b"/"), parts,',
    ),
    without("target_decoded", "escapes", _TARGET, "if _BAD_ESCAPE.search(path):", "if False:"),
    without(
        "target_decoded",
        "UTF-8",
        _TARGET,
        "unquote_to_bytes(path).decode()",
        'unquote_to_bytes(path).decode("utf-8", "replace")',
    ),
    without("target_decoded", "decoded bytes", _TARGET, "if _UNSAFE_DECODED.search(text):", "if False:"),
    without("target_decoded", "dot segments", _TARGET, 'if "." in parts or ".." in parts:', "if False:"),
    without("slashes", "the comparison", _DECIDE, "if found is not merged and (", "if False and ("),
    without(
        "typed", "ASCII", "migration.core.template", "text.isascii() and text.isdigit()", "text.isdigit()"
    ),
    without("internal_route", "the check", _DECIDE, 'if route.visibility == "internal" and', "if False and"),
)
