"""Realistic traffic for the sample shop: what `up --demo` runs and what the end-to-end tests drive.

It knows the shop by its HTTP API alone, goes to this machine only, and keeps its own account of what it sent
and got: the number that everybody else's counters are held against.
"""
