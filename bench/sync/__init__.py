"""What keeping two databases in step costs: relay, backfill, verify, capture, lag and the pause of a flip."""
