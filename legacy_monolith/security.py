"""Passwords, who is logged in, and the token that protects forms."""

import hashlib
import hmac
import secrets
from functools import wraps

from flask import abort, flash, g, redirect, request, url_for
from flask import session as cookie

from .db import session
from .models import Customer


def hash_password(password, salt=None):
    """One round of salted SHA-256: quick, which is what is wrong with it."""
    salt = salt or secrets.token_hex(4)
    return f"{salt}${hashlib.sha256((salt + password).encode('utf-8', 'replace')).hexdigest()}"


def check_password(stored, password):
    salt, _, _digest = stored.partition("$")
    return hmac.compare_digest(stored, hash_password(password, salt))


def log_in(email, password):
    """Return the customer and put the id into the session cookie, or return None."""
    customer = session.query(Customer).filter(Customer.email == email).first()
    if customer is None or not check_password(customer.password_hash, password):
        return None
    cookie["customer_id"] = customer.id
    return customer


def current_customer():
    """The customer of this request, or None."""
    if "customer" not in g:
        number = cookie.get("customer_id")
        g.customer = session.get(Customer, number) if number else None
    return g.customer


def csrf_token():
    if "csrf" not in cookie:
        cookie["csrf"] = secrets.token_hex(16)
    return cookie["csrf"]


def check_csrf():
    """Refuse a form without the session's token. The JSON API came later and was let through."""
    if request.method != "POST" or request.path.startswith(("/api/", "/internal/")):
        return
    sent = request.form.get("csrf_token", "").encode("utf-8", "replace")
    if not hmac.compare_digest(sent, cookie.get("csrf", "?").encode()):
        abort(400, "The form has expired. Go back, reload the page and try again.")


def login_required(view):
    @wraps(view)
    def guarded(*args, **kwargs):
        if current_customer() is None:
            flash("Please log in first.", "error")
            return redirect(url_for("account.login", next=request.path))
        return view(*args, **kwargs)

    return guarded


def admin_required(view):
    @wraps(view)
    def guarded(*args, **kwargs):
        customer = current_customer()
        if customer is None:
            return redirect(url_for("account.login", next=request.path))
        if not customer.is_admin:
            abort(403)
        return view(*args, **kwargs)

    return guarded
