"""The migration as data: the plan, its routes and slices, the stages, the flags, the ledger.

Every other room imports this one; it imports none of ours. What may not enter: a socket that carries a
user's request, a comparison of two answers, a row of the user's data.
"""
