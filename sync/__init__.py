"""The same data in two places: capture, relay, backfill, verify, fence. Not yet: no write moves so far.

What may not enter: a decision of who answers a read, a comparison of two answers.
"""
