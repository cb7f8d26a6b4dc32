"""One module per technology; drivers' errors are mapped here."""
