"""The cart of the browser that asks, and what is in it."""

from flask import session as cookie

from .db import now, session
from .models import Cart, CartItem, Coupon, Product
from .security import current_customer

MOST_OF_ONE = 99


def current_cart():
    """The cart that the session cookie names, or None."""
    number = cookie.get("cart_id")
    return session.get(Cart, number) if number else None


def cart_to_fill():
    """The cart, made if there is none."""
    cart = current_cart()
    if cart is None:
        cart = Cart(updated_at=now())
        session.add(cart)
        session.flush()
        cookie["cart_id"] = cart.id
    if current_customer():
        cart.customer_id = current_customer().id
    cart.updated_at = now()
    return cart


def add_to_cart(product_id, quantity):
    """Add and commit. Returns the item; raises ValueError with a sentence for the user."""
    if not 1 <= quantity <= MOST_OF_ONE:
        raise ValueError(f"The quantity must be from 1 to {MOST_OF_ONE}.")
    product = session.get(Product, product_id) if 0 < product_id < 2**31 else None
    if product is None:
        raise ValueError("There is no such product.")
    if product.stock.quantity < quantity:
        raise ValueError(f"{product.name} is sold out.")
    cart = cart_to_fill()
    item = next((item for item in cart.items if item.product_id == product_id), None)
    if item is None:
        item = CartItem(product_id=product_id, quantity=0)
        cart.items.append(item)
    item.quantity = min(item.quantity + quantity, MOST_OF_ONE)
    session.commit()
    return item


def change_quantity(cart, item_id, quantity):
    """Set and commit; 0 removes. Returns whether there was such an item in this cart."""
    item = next((item for item in cart.items if item.id == item_id), None) if cart else None
    if item is None:
        return False
    if quantity <= 0:
        cart.items.remove(item)
    else:
        item.quantity = min(quantity, MOST_OF_ONE)
    cart.updated_at = now()
    session.commit()
    return True


def use_coupon(code):
    """Remember the coupon in the cart and commit. Returns it, or None when it is not valid."""
    coupon = session.get(Coupon, code.strip().upper())
    if coupon is None or not coupon.active or (coupon.expires_at and coupon.expires_at < now()):
        return None
    cart_to_fill().coupon_code = coupon.code
    session.commit()
    return coupon


def prices(cart, shipping):
    """(subtotal, discount, shipping, total) in floats, never rounded, as they come out."""
    subtotal = sum(item.product.price * item.quantity for item in cart.items) if cart else 0.0
    coupon = session.get(Coupon, cart.coupon_code) if cart and cart.coupon_code else None
    discount = subtotal * coupon.percent / 100 if coupon else 0.0
    if not subtotal or subtotal >= 50:
        shipping = 0.0
    return subtotal, discount, shipping, subtotal - discount + shipping
