"""Placing an order: the function everybody is afraid of."""

from types import SimpleNamespace

from sqlalchemy import text

from .carts import MOST_OF_ONE, prices
from .db import now, session
from .models import EmailLog, Order, OrderLine, Payment, Product
from .shipping import zone_of_client

METHODS = ("card", "invoice", "paypal")
TAKE = text("UPDATE stock SET quantity = quantity - :n WHERE product_id = :id AND quantity >= :n")


def place_order(customer, cart, method, reference=None):
    """Turn the cart into an order and commit. Raises ValueError with a sentence for the user.

    Touches orders, order_lines, stock, payments and email_log, and carts, cart_items and coupons besides.
    """
    if method not in METHODS:
        raise ValueError(f"Pay by {', '.join(METHODS)}.")
    if cart is None or not cart.items:
        raise ValueError("Your cart is empty.")
    _, discount, shipping, total = prices(cart, zone_of_client()[1])
    # In the order of the ids: two orders for the same goods the other way round would wait for each other.
    goods = sorted(cart.items, key=lambda item: item.product_id)
    order = Order(
        customer=customer,
        address=customer.addresses[0] if customer.addresses else None,
        status="new" if method == "invoice" else "paid",
        coupon_code=cart.coupon_code,
        discount=discount,
        shipping=shipping,
        total=total,
        placed_at=now(),
        client_reference=unused(reference),
        lines=[
            OrderLine(product=item.product, quantity=item.quantity, unit_price=item.product.price)
            for item in goods
        ],
        payments=[
            Payment(
                method=method,
                amount=total,
                created_at=now(),
                status="open" if method == "invoice" else "paid",
            )
        ],
    )
    session.add(order)
    session.flush()
    session.execute(EmailLog.__table__.insert(), mail_for(order))
    # Late, since who else orders the same goods waits from here to the commit.
    taken = session.execute(TAKE, [{"n": item.quantity, "id": item.product_id} for item in goods])
    if taken.rowcount < len(goods):
        session.rollback()
        raise ValueError("Something in your cart has just been sold out.")
    if cart.coupon_code:
        session.execute(
            text("UPDATE coupons SET used = used + 1 WHERE code = :code"), {"code": cart.coupon_code}
        )
    cart.items.clear()
    cart.coupon_code = None
    session.commit()
    return order


def mail_for(order):
    return {
        "customer_id": order.customer_id,
        "template": "order",
        "subject": f"Your order {order.id}",
        "sent_at": now(),
    }


def place_items(customer, wanted, method, reference=None):
    """The telephone app's quick order: `wanted` is {product id: quantity}, and the cart stays as it is."""
    ids = [number for number in wanted if 0 < number < 2**31]
    found = {product.id: product for product in session.query(Product).filter(Product.id.in_(ids))}
    for product_id, quantity in wanted.items():
        if not 1 <= quantity <= MOST_OF_ONE:
            raise ValueError(f"The quantity must be from 1 to {MOST_OF_ONE}.")
        if product_id not in found:
            raise ValueError("There is no such product.")
    # No cart of the shop's: it only carries the goods.
    items = [
        SimpleNamespace(product_id=number, quantity=quantity, product=found[number])
        for number, quantity in wanted.items()
    ]
    return place_order(customer, SimpleNamespace(items=items, coupon_code=None), method, reference)


def unused(reference):
    """The reference, unless an order has it."""
    if reference is not None and session.query(Order.id).filter(Order.client_reference == reference).first():
        raise ValueError("There is an order with this reference already.")
    return reference
