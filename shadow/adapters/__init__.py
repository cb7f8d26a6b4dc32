"""One module per technology, one port each; drivers' errors become this room's errors here."""
