"""Names for URLs."""

import re


def slugify(name):
    """Lower case, letters of any alphabet kept, everything else a hyphen: `Café & Tee` → `café-tee`."""
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-") or "x"
