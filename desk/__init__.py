"""The operator's desk: the command line, the conductor's loop, and `up`, which runs everything.

This room may use all the others and is used by none. It decides nothing about stages, verdicts or requests:
those decisions live in the rooms that own them; here they are asked for, carried out and told.
"""
