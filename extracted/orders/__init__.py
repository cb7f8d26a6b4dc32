"""Orders with their lines, payments and invoices, and the stock: a schema and a database of its own.

It answers the monolith's routes value for value. What may not enter: a cart, a coupon's counter, a product's
name or price (asked of whoever owns them, by HTTP), and anything of the monolith's tables.
"""
