"""The same data in two places: capture, relay, backfill, verify, repair, fence and flip.

What may not enter: a decision of who answers a read, a comparison of two answers, two writes in a request.
"""
