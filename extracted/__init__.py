"""The sample services that take over, one folder each.

What may not enter: an import of `desk`, `facade`, `migration`, `shadow`, `sync` or `legacy_monolith`. The
services meet the framework through HTTP, tables and topics only, as a user's own services would.
"""
