"""The catalog: products and categories, read only, with a schema and a database of its own.

It answers the monolith's API through its own mapping (`answers`). Its rows are kept in step by the sync, or
copied once (`importer`). What may not enter: a write made for a user, and the stock, which it asks for.
"""
