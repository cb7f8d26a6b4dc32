"""What cron starts at 3 o'clock: straight to the tables, past every rule of the web application."""

from datetime import timedelta

from sqlalchemy import DateTime, bindparam, text

from .db import now, session

# In this order: invoices first, since the second step changes what the first one looks for.
INVOICE_WHAT_IS_PAID = """
INSERT INTO invoices (order_id, number, total, issued_at)
SELECT o.id, 'R-' || o.id, o.total, :now FROM orders o
WHERE o.status = 'paid' AND NOT EXISTS (SELECT 1 FROM invoices i WHERE i.order_id = o.id)
"""
CANCEL_UNPAID = "UPDATE orders SET status = 'cancelled' WHERE status = 'new' AND placed_at < :two_weeks_ago"
EMPTY_OLD_CARTS = """
DELETE FROM cart_items WHERE cart_id IN (SELECT id FROM carts WHERE updated_at < :two_weeks_ago)
"""
DROP_OLD_CARTS = "DELETE FROM carts WHERE updated_at < :two_weeks_ago"
FORGET_OLD_VIEWS = "DELETE FROM page_views WHERE viewed_at < :two_years_ago"
EXPIRE_COUPONS = "UPDATE coupons SET active = false WHERE active AND expires_at < :now"

STEPS = (
    ("invoices issued", INVOICE_WHAT_IS_PAID),
    ("unpaid orders cancelled", CANCEL_UNPAID),
    ("old cart items deleted", EMPTY_OLD_CARTS),
    ("old carts deleted", DROP_OLD_CARTS),
    ("old page views deleted", FORGET_OLD_VIEWS),
    ("coupons expired", EXPIRE_COUPONS),
)


def run_nightly():
    """Yield (what, number of rows) for each step; each step is a transaction of its own."""
    moment = now()
    times = {
        "now": moment,
        "two_weeks_ago": moment - timedelta(days=14),
        "two_years_ago": moment - timedelta(days=730),
    }
    for what, statement in STEPS:
        bound = [bindparam(name, time, DateTime) for name, time in times.items() if f":{name}" in statement]
        changed = session.execute(text(statement).bindparams(*bound)).rowcount
        session.commit()
        yield what, changed
