"""PostgreSQL as one side of a slice: everything of ours lies in schema `sf`, and SQL decides, not Python."""
