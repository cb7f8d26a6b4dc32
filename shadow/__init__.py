"""Are the two answers equal? Evidence, never influence.

What may not enter: anything a user's request waits for, anything that changes what a user is answered, and
any body or header on its way to disk, log or report that has not been redacted.
"""
