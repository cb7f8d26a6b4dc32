"""Placing an order: the function everybody is afraid of."""

from sqlalchemy import text
from sqlalchemy.orm.attributes import set_committed_value

from .carts import MOST_OF_ONE, prices
from .db import now, session
from .models import Cart, CartItem, EmailLog, Order, OrderLine, Payment, Product
from .shipping import zone_of_client

METHODS = ("card", "invoice", "paypal")


def place_order(customer, cart, method, reference=None):
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
        client_reference=unused(reference),
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


def place_items(customer, wanted, method, reference=None):
    """The telephone app's quick order: `wanted` is {product id: quantity}, and the cart stays as it is."""
    cart = Cart()  # never added to the session: it only carries the goods
    for product_id, quantity in wanted.items():
        if not 1 <= quantity <= MOST_OF_ONE:
            raise ValueError(f"The quantity must be from 1 to {MOST_OF_ONE}.")
        product = session.get(Product, product_id) if 0 < product_id < 2**31 else None
        if product is None:
            raise ValueError("There is no such product.")
        with session.no_autoflush:
            item = CartItem(product_id=product_id, quantity=quantity)
            set_committed_value(item, "product", product)
            cart.items.append(item)
    return place_order(customer, cart, method, reference)


def unused(reference):
    """The reference, unless an order has it."""
    if reference is not None and session.query(Order.id).filter(Order.client_reference == reference).first():
        raise ValueError("There is an order with this reference already.")
    return reference
