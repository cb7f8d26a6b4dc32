"""The catalog: products and categories, read only, with a schema and a database of its own.

It answers the monolith's API through its own mapping (`answers`), and gets its data by a one-off import
(`importer`). What may not enter: a write made for a user, and anything the monolith calls "stock".
"""
