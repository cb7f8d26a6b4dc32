"""Every removal: several lines may hold one rule, each with a removal of its own.

Where llhttp refuses by itself there is nothing of ours to take out; then its strictness is.
"""

from __future__ import annotations

from tests.hostile.removals_exchanges import EXCHANGES
from tests.hostile.removals_requests import REQUESTS

REMOVALS = (*REQUESTS, *EXCHANGES)
