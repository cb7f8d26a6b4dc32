"""The targets by name, and the one way to run them: only a Finding, or what nobody foresaw, comes out."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz import (
    target_answers,
    target_chunks,
    target_fields,
    target_path,
    target_requests,
    target_targets,
)

TARGETS: dict[str, Callable[[bytes, bytes], None]] = {
    "requests": target_requests.run,
    "answers": target_answers.run,
    "chunks": target_chunks.run,
    "targets": target_targets.run,
    "fields": target_fields.run,
    "path": target_path.run,
}
