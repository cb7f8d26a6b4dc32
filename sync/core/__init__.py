"""Pure decisions and values of sync: no database, no clock, no randomness; what happened comes in."""
