"""The tables of the shop."""

from sqlalchemy import Boolean, Column, DateTime, Float, ForeignKey, Integer, String, Text
from sqlalchemy.orm import declarative_base, relationship

Base = declarative_base()

# A number of the books is never given twice, not even that of a row that was deleted: the tax office asked.
NUMBERS_ONCE = {"sqlite_autoincrement": True}


class Customer(Base):
    __tablename__ = "customers"
    id = Column(Integer, primary_key=True)
    email = Column(String(200), unique=True, nullable=False)
    name = Column(String(200), nullable=False)
    password_hash = Column(String(200), nullable=False)
    is_admin = Column(Boolean, nullable=False, default=False)
    created_at = Column(DateTime, nullable=False)
    addresses = relationship("Address", back_populates="customer", order_by="Address.id")
    orders = relationship("Order", back_populates="customer", order_by="Order.id.desc()")


class Address(Base):
    __tablename__ = "addresses"
    id = Column(Integer, primary_key=True)
    customer_id = Column(Integer, ForeignKey("customers.id"), nullable=False, index=True)
    street = Column(String(200), nullable=False)
    zip_code = Column(String(20), nullable=False)
    city = Column(String(100), nullable=False)
    country = Column(String(2), nullable=False, default="DE")
    customer = relationship("Customer", back_populates="addresses")


class Category(Base):
    __tablename__ = "categories"
    id = Column(Integer, primary_key=True)
    slug = Column(String(200), unique=True, nullable=False)
    name = Column(String(200), nullable=False)
    products = relationship("Product", back_populates="category", order_by="Product.id")


class Product(Base):
    __tablename__ = "products"
    id = Column(Integer, primary_key=True)
    sku = Column(String(40), unique=True, nullable=False)
    slug = Column(String(200), unique=True, nullable=False)
    name = Column(String(200), nullable=False)
    # A copy of the name in lower case: the database's own LOWER() only knew ASCII.
    search_name = Column(String(200), nullable=False)
    description = Column(Text, nullable=False, default="")
    price = Column(Float, nullable=False)
    currency = Column(String(3), nullable=False, default="EUR")
    category_id = Column(Integer, ForeignKey("categories.id"), nullable=False, index=True)
    # JSON in a text column, from before the database had a type for it.
    attributes = Column(Text, nullable=False, default="[]")
    # Comma-separated.
    tags = Column(String(400), nullable=False, default="")
    image = Column(String(200))
    updated_at = Column(DateTime, nullable=False)
    category = relationship("Category", back_populates="products")
    stock = relationship("Stock", back_populates="product", uselist=False)


class Stock(Base):
    __tablename__ = "stock"
    product_id = Column(Integer, ForeignKey("products.id"), primary_key=True, autoincrement=False)
    quantity = Column(Integer, nullable=False, default=0)
    restock_note = Column(String(100))
    updated_at = Column(DateTime, nullable=False)
    product = relationship("Product", back_populates="stock")


class Cart(Base):
    __tablename__ = "carts"
    id = Column(Integer, primary_key=True)
    customer_id = Column(Integer, ForeignKey("customers.id"), index=True)
    coupon_code = Column(String(40))
    updated_at = Column(DateTime, nullable=False, index=True)
    items = relationship(
        "CartItem", back_populates="cart", order_by="CartItem.id", cascade="all, delete-orphan"
    )


class CartItem(Base):
    __tablename__ = "cart_items"
    id = Column(Integer, primary_key=True)
    cart_id = Column(Integer, ForeignKey("carts.id"), nullable=False, index=True)
    product_id = Column(Integer, ForeignKey("products.id"), nullable=False)
    quantity = Column(Integer, nullable=False)
    cart = relationship("Cart", back_populates="items")
    product = relationship("Product")


class Order(Base):
    __tablename__ = "orders"
    __table_args__ = NUMBERS_ONCE
    id = Column(Integer, primary_key=True)
    customer_id = Column(Integer, ForeignKey("customers.id"), nullable=False, index=True)
    address_id = Column(Integer, ForeignKey("addresses.id"))
    status = Column(String(20), nullable=False, default="new", index=True)
    coupon_code = Column(String(40))
    discount = Column(Float, nullable=False, default=0.0)
    shipping = Column(Float, nullable=False, default=0.0)
    total = Column(Float, nullable=False)
    placed_at = Column(DateTime, nullable=False)
    # What the telephone app calls the order; it asked for it after the second double delivery.
    client_reference = Column(String(80), unique=True)
    customer = relationship("Customer", back_populates="orders")
    address = relationship("Address")
    lines = relationship("OrderLine", back_populates="order", order_by="OrderLine.id")
    payments = relationship("Payment", back_populates="order")
    invoice = relationship("Invoice", back_populates="order", uselist=False)


class OrderLine(Base):
    __tablename__ = "order_lines"
    __table_args__ = NUMBERS_ONCE
    id = Column(Integer, primary_key=True)
    order_id = Column(Integer, ForeignKey("orders.id"), nullable=False, index=True)
    product_id = Column(Integer, ForeignKey("products.id"), nullable=False, index=True)
    quantity = Column(Integer, nullable=False)
    unit_price = Column(Float, nullable=False)
    order = relationship("Order", back_populates="lines")
    product = relationship("Product")


class Payment(Base):
    __tablename__ = "payments"
    __table_args__ = NUMBERS_ONCE
    id = Column(Integer, primary_key=True)
    order_id = Column(Integer, ForeignKey("orders.id"), nullable=False, index=True)
    method = Column(String(20), nullable=False)
    amount = Column(Float, nullable=False)
    status = Column(String(20), nullable=False)
    created_at = Column(DateTime, nullable=False)
    order = relationship("Order", back_populates="payments")


class Invoice(Base):
    __tablename__ = "invoices"
    __table_args__ = NUMBERS_ONCE
    id = Column(Integer, primary_key=True)
    order_id = Column(Integer, ForeignKey("orders.id"), unique=True, nullable=False)
    number = Column(String(40), unique=True, nullable=False)
    total = Column(Float, nullable=False)
    issued_at = Column(DateTime, nullable=False)
    order = relationship("Order", back_populates="invoice")


class EmailLog(Base):
    __tablename__ = "email_log"
    id = Column(Integer, primary_key=True)
    customer_id = Column(Integer, index=True)  # no foreign key: somebody once deleted customers by hand
    template = Column(String(40), nullable=False)
    subject = Column(String(200), nullable=False)
    sent_at = Column(DateTime, nullable=False)


class PageView(Base):
    __tablename__ = "page_views"
    id = Column(Integer, primary_key=True)
    path = Column(String(400), nullable=False)
    customer_id = Column(Integer)
    address = Column(String(64), nullable=False)
    user_agent = Column(String(200), nullable=False)
    viewed_at = Column(DateTime, nullable=False, index=True)


class Coupon(Base):
    __tablename__ = "coupons"
    code = Column(String(40), primary_key=True)
    percent = Column(Integer, nullable=False)
    used = Column(Integer, nullable=False, default=0)
    active = Column(Boolean, nullable=False, default=True)
    expires_at = Column(DateTime)


class PlacedElsewhere(Base):
    """Orders that somebody else took: what they did to the cart is done once."""

    __tablename__ = "placed_elsewhere"
    order_id = Column(Integer, primary_key=True, autoincrement=False)


class AuditLog(Base):
    """Filled by triggers only (see triggers.py)."""

    __tablename__ = "audit_log"
    id = Column(Integer, primary_key=True)
    tbl = Column(String(40), nullable=False)
    row_id = Column(Integer, nullable=False)
    field = Column(String(40), nullable=False)
    old = Column(Text)
    new = Column(Text)
    changed_at = Column(String(32), nullable=False)
