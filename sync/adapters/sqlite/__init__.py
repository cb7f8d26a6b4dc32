"""SQLite: objects with the prefix `sf_`, triggers as capture and fence, one write lock for the whole file.

What may not enter: a read or write that holds the file's lock while Python thinks; SQL outside of this folder.
"""
