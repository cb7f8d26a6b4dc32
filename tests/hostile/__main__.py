"""`python -m tests.hostile`: the corpus against our facade, other proxies, or any facade by its URL.

`--subject NAME…` starts proxies (all: every one of the published table; compiled: ours as `make compiled`
builds it). `--facade URL --backend PORT` asks a proxy that runs already and passes everything on to
127.0.0.1:PORT, where the suite then listens. Exit code 1 when ours fails a case. `--page FILE…` brings
into the published table what `--json` printed before; what it said of other cases stays.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from tests.hostile.backends import Backends
from tests.hostile.case import Case
from tests.hostile.classes import Did, Verdict, did, verdict
from tests.hostile.corpus import corpus
from tests.hostile.rules import RULES
from tests.hostile.runner import Outcome
from tests.hostile.subjects import OTHERS
from tests.hostile.table import PAGE, Column, kept, names_in, page
from tests.hostile.trial import COMPILED, FACADE, NAMES, OURS, settled, tried
from tools.compile import built


def main(words: list[str]) -> int:
    """Run what is asked for, print it; 1 when ours fails."""
    asked = _parser().parse_args(words)
    listed = names_in(PAGE.read_text("utf-8")) if asked.new else ()
    cases = [case for case in corpus() if asked.only in (None, case.rule) and case.name not in listed]
    if asked.page:
        return _write_page(corpus(), asked.page)
    if asked.facade is not None:
        results = {asked.facade: _asked_by_url(asked.facade, asked.backend, cases, split=asked.split)}
    else:
        results = _started(asked, cases)
    if asked.json:
        told = {name: [asdict(verdict(one)) for one in outcomes] for name, outcomes in results.items()}
        print(json.dumps(told, indent=1))
    else:
        _print(results)
    judged = [name for name in (*OURS, asked.facade) if name in results]
    return int(not all(outcome.passed for name in judged for outcome in results[name]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--subject", nargs="+", choices=[*NAMES, COMPILED, "all"], default=[FACADE])
    parser.add_argument("--facade", metavar="URL", help="a proxy that runs already")
    parser.add_argument(
        "--backend", type=int, metavar="PORT", help="where that proxy passes everything on to"
    )
    parser.add_argument("--only", choices=sorted(RULES), help="the cases of one rule")
    parser.add_argument("--new", action="store_true", help=f"the cases that {PAGE.name} does not list")
    parser.add_argument("--split", action="store_true", help="send everything byte by byte")
    parser.add_argument("--json", action="store_true", help="every outcome as JSON")
    parser.add_argument("--page", nargs="+", metavar="JSON", help=f"write {PAGE.name} from these outputs")
    return parser


def _started(asked: argparse.Namespace, cases: Sequence[Case]) -> dict[str, list[Outcome]]:
    names = NAMES if "all" in asked.subject else asked.subject
    if COMPILED in names and not built():
        sys.exit("there is no compiled facade of this checkout; make compiled builds it")
    results = {}
    with tempfile.TemporaryDirectory() as home:
        for name in names:
            meant = [case for case in cases if name in OURS or not case.only_ours]
            results[name] = tried(name, meant, Path(home), _tell, split=asked.split)
    return results


def _asked_by_url(url: str, backend: int | None, cases: Sequence[Case], *, split: bool) -> list[Outcome]:
    if backend is None:
        sys.exit("--facade needs --backend PORT: where that proxy passes everything on to")
    parts = urlsplit(url)
    meant = [case for case in cases if not case.own and all(_reaches_legacy(case))]
    _tell(f"{len(meant)} of {len(cases)} cases: the others need our plan's routes")
    with Backends(legacy_port=backend) as backends:
        return settled(
            (parts.hostname or "127.0.0.1", parts.port or 80), backends, meant, split=split, ours=False
        )


def _reaches_legacy(case: Case) -> list[bool]:
    sent = b"".join(step for step in case.send if isinstance(step, bytes))
    routes = (b"/live/", b"/canary/", b"/some/", b"/internal/", b"/item/", b"/list", b"/still/", b"/ws")
    return [not case.only_ours, not any(route in sent for route in routes)]


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print(results: dict[str, list[Outcome]]) -> None:
    for name, outcomes in results.items():
        failed = [outcome for outcome in outcomes if not outcome.passed]
        for outcome in failed:
            print(
                f"{name:10} {did(outcome):10} {outcome.case.rule:18} {outcome.case.name}: {outcome.saw[:400]}"
            )
        print(f"{name}: {len(outcomes) - len(failed)} of {len(outcomes)} as the corpus wants them")


def _write_page(cases: Sequence[Case], files: Sequence[str]) -> int:
    verdicts = kept(PAGE.read_text("utf-8")) if PAGE.exists() else {}
    for file in files:
        for name, lines in json.loads(Path(file).read_text("utf-8")).items():
            read = (Verdict(**{**line, "did": Did(line["did"])}) for line in lines)
            verdicts.setdefault(name, {}).update({one.case: one for one in read})
    columns = [Column(FACADE, "this one", "`tests/hostile/plan.py`", verdicts[FACADE])]
    for subject in OTHERS:
        settings = f"[{subject.settings}](../../tests/hostile/{subject.settings})"
        columns.append(Column(subject.name, subject.version(), settings, verdicts[subject.name]))
    PAGE.write_text(page(cases, columns), "utf-8")
    _tell(f"written: {PAGE}")
    return int(not all(one.passed for one in verdicts[FACADE].values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
