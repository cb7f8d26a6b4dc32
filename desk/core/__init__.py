"""Pure decisions of the desk: what to print, what to restart, what to say next. No I/O enters here."""
