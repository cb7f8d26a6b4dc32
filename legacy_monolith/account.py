"""Login, registration and what belongs to a customer."""

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask import session as cookie
from sqlalchemy.exc import IntegrityError

from .db import now, session
from .models import Address, Customer, EmailLog, Order
from .security import current_customer, hash_password, log_in, login_required

blueprint = Blueprint("account", __name__)


def field(name, longest=200):
    return request.form.get(name, "").strip()[:longest]


@blueprint.route("/login")
def login():
    return render_template("login.html")


@blueprint.route("/login", methods=["POST"])
def do_login():
    customer = log_in(field("email"), request.form.get("password", ""))
    if customer is None:
        flash("Wrong email or password.", "error")
        return render_template("login.html"), 401
    flash(f"Welcome back, {customer.name}.", "info")
    # Anything may stand in `next`, so a link to this page can lead to any site.
    return redirect(request.args.get("next") or url_for("account.overview"))


@blueprint.route("/logout", methods=["POST"])
def logout():
    cookie.clear()
    flash("You are logged out.", "info")
    return redirect(url_for("shop.home"))


@blueprint.route("/register")
def register():
    return render_template("register.html")


@blueprint.route("/register", methods=["POST"])
def do_register():
    email, name, password = field("email"), field("name"), request.form.get("password", "")
    if "@" not in email or not name or len(password) < 6:
        flash("An email, a name and a password of six characters, please.", "error")
        return render_template("register.html"), 400
    customer = Customer(email=email, name=name, password_hash=hash_password(password), created_at=now())
    session.add(customer)
    try:
        session.flush()
    except IntegrityError:
        session.rollback()
        flash("This email is already registered.", "error")
        return render_template("register.html"), 409
    session.add(EmailLog(customer_id=customer.id, template="welcome", subject="Welcome", sent_at=now()))
    session.commit()
    cookie["customer_id"] = customer.id
    flash("Your account is ready.", "info")
    return redirect(url_for("account.overview"))


@blueprint.route("/account")
@login_required
def overview():
    return render_template("account.html", customer=current_customer())


@blueprint.route("/account/addresses", methods=["POST"])
@login_required
def add_address():
    given = {name: field(name) for name in ("street", "zip_code", "city")}
    if not all(given.values()) or len(given["zip_code"]) > 20 or len(given["city"]) > 100:
        flash("Street, zip code and city, please.", "error")
        return render_template("account.html", customer=current_customer()), 400
    current_customer().addresses.append(Address(country="DE", **given))
    session.commit()
    flash("The address is kept.", "info")
    return redirect(url_for("account.overview"))


@blueprint.route("/account/orders")
@login_required
def orders():
    return render_template("orders.html", orders=current_customer().orders)


def own_order(order_id):
    order = session.get(Order, order_id) if order_id < 2**31 else None
    if order is None or order.customer_id != current_customer().id:
        abort(404)
    return order


@blueprint.route("/account/orders/<int:order_id>")
@login_required
def order(order_id):
    return render_template("order.html", order=own_order(order_id))


@blueprint.route("/account/orders/<int:order_id>/invoice.txt")
@login_required
def invoice(order_id):
    found = own_order(order_id)
    if found.invoice is None:
        abort(404, "There is no invoice for this order yet.")
    text = render_template("invoice.txt", order=found)
    headers = {"Content-Disposition": f'attachment; filename="{found.invoice.number}.txt"'}
    return Response(text, content_type="text/plain; charset=utf-8", headers=headers)
