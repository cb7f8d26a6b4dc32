"""HTTP/1.1 as we speak it: bytes in, events out; events in, bytes out. No socket, no clock, no waiting.

Heads are parsed by llhttp (through httptools), one head at a time and never a byte beyond it; bodies are
framed here. What llhttp lets through and these modules refuse is listed in docs/explanation/data-path.md.
"""
