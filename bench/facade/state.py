"""`python -P state.py PLAN FLAG_PCT KEYS`: puts all routes of a plan where "full" is; prints sticky keys.

A script and no module: it runs with the code of the checkout whose facade is measured (PYTHONPATH), which may
be an older one.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from facade.core.key import mint
from migration.bootstrap import open_ledger
from migration.core.flag_edits import feature
from migration.core.stages import ReadStage
from migration.plan_file import load_plan
from migration.ports import AuditEntry
from migration.secret import project_secret


def main(path: Path, share: int, keys: int) -> None:
    """Each route at stage canary with this share, every exchange mirrored."""
    plan = load_plan(path, dict(os.environ))
    ledger = open_ledger(plan.ledger.url, create=True)
    ledger.ensure(plan.routes)
    entry = AuditEntry("bench", "shift", "to be measured", time.time())
    for route, state in ledger.routes().items():
        ledger.change(
            route,
            state.version,
            stage=ReadStage.CANARY,
            cap_pct=share,
            applied_pct=share,
            mirror_pct=100,
            hold=True,
            hold_reason="to be measured",
            audit=entry,
        )
    ledger.close()
    flags = [feature(route.flag, share) for route in plan.routes.values()]
    flags += [feature(route.shadow_flag, 100) for route in plan.routes.values()]
    Path(plan.flags.location).write_text(json.dumps({"version": 2, "features": flags}), encoding="utf-8")
    secret = project_secret(plan.state_dir)
    minted = [mint(secret, number.to_bytes(16, "big")) for number in range(1, keys + 1)]
    print(json.dumps({"cookie": plan.key.name, "keys": minted}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
