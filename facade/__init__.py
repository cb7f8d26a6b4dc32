"""The request path: where does this call go?

It sees one snapshot of plan, ledger and flags per request, forwards, and tells afterwards. What may not
enter: a comparison, a database on a user's path, a guess about evidence; of shadow only the tap is known.
"""
