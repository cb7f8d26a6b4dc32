"""Pure decisions and values: no I/O, no clock, no randomness, no logging, no environment."""
