"""x"""


def findings(link, spec, side, search_path):
    return []
