"""SQLite: objects with the prefix `sf_`, triggers as capture and fence, one write lock for the whole file.

What may not enter: a transaction that holds the file's write lock while it is still computing what to write.
"""
