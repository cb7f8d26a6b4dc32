"""Placing an order: the function everybody is afraid of."""

from sqlalchemy import text

from .carts import prices
from .db import now, session
from .models import EmailLog, Order, OrderLine, Payment
from .shipping import zone_of_client

METHODS = ("card", "invoice", "paypal")


def place_order(customer, cart, method):
    """Turn the cart into an order and commit. Raises ValueError with a sentence for the user.

    Touches orders, order_lines, stock, payments and email_log, and carts, cart_items and coupons besides.
    """
    if method not in METHODS:
        raise ValueError(f"Pay by {', '.join(METHODS)}.")
    if cart is None or not cart.items:
        raise ValueError("Your cart is empty.")
    _, discount, shipping, total = prices(cart, zone_of_client()[1])
    order = Order(
        customer=customer,
        address=customer.addresses[0] if customer.addresses else None,
        status="new" if method == "invoice" else "paid",
        coupon_code=cart.coupon_code,
        discount=discount,
        shipping=shipping,
        total=total,
        placed_at=now(),
    )
    session.add(order)
    # In the order of the ids: two orders for the same goods the other way round would wait for each other.
    for item in sorted(cart.items, key=lambda item: item.product_id):
        taken = session.execute(
            text("UPDATE stock SET quantity = quantity - :n WHERE product_id = :id AND quantity >= :n"),
            {"n": item.quantity, "id": item.product_id},
        )
        if taken.rowcount == 0:
            session.rollback()
            raise ValueError("Something in your cart has just been sold out.")
        order.lines.append(
            OrderLine(product_id=item.product_id, quantity=item.quantity, unit_price=item.product.price)
        )
    order.payments.append(
        Payment(
            method=method, amount=total, created_at=now(), status="open" if method == "invoice" else "paid"
        )
    )
    if cart.coupon_code:
        session.execute(
            text("UPDATE coupons SET used = used + 1 WHERE code = :code"), {"code": cart.coupon_code}
        )
    session.flush()
    session.add(
        EmailLog(customer_id=customer.id, template="order", subject=f"Your order {order.id}", sent_at=now())
    )
    cart.items.clear()
    cart.coupon_code = None
    session.commit()
    return order
