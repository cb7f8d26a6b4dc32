"""Packs an unpacked wheel, to which extension modules were added, as a wheel of this platform."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
from pathlib import Path

from packaging.tags import sys_tags

_OLDEST = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can name: the same files give the same wheel


def packed(tree: Path, folder: Path) -> Path:
    """The wheel of all that is in `tree`, in `folder`, under the name of its tag."""
    info = next(tree.glob("*.dist-info"))
    tag = _tag()
    about = info / "WHEEL"
    text = re.sub(r"^Root-Is-Purelib: .*$", "Root-Is-Purelib: false", about.read_text("utf-8"), flags=re.M)
    about.write_text(re.sub(r"^Tag: .*$", f"Tag: {tag}", text, flags=re.M), "utf-8")
    record = info / "RECORD"
    record.write_text(_record(tree, record), "utf-8")
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / f"{info.name.removesuffix('.dist-info')}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(tree):
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), _OLDEST)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return wheel


def _tag() -> str:
    """This interpreter on this very system: what was linked here promises nothing for older ones."""
    return next(str(tag) for tag in sys_tags() if not re.match("(many|musl)linux", tag.platform))


def _files(tree: Path) -> list[Path]:
    return sorted(path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def _record(tree: Path, record: Path) -> str:
    """Each file with its hash and its size, as a wheel's RECORD lists them (its own line has neither)."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for path in _files(tree):
        name, data = path.relative_to(tree).as_posix(), path.read_bytes()
        if path == record:
            rows.writerow([name, "", ""])
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode("ascii")
        rows.writerow([name, f"sha256={digest}", len(data)])
    return text.getvalue()
