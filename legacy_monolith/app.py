"""Puts the shop together."""

from flask import Flask, current_app, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from . import db, errors, page_views, security, storefront
from .account import blueprint as account
from .admin import blueprint as admin
from .cart_api import blueprint as cart_api
from .catalog_api import blueprint as catalog_api
from .compress import compress
from .export import blueprint as export
from .identity import blueprint as identity
from .media import blueprint as media
from .neighbours import blueprint as neighbours
from .storefront import blueprint as shop


def create_app(settings):
    """The WSGI application; the database is bound globally, so there is one shop per process."""
    app = Flask(__name__)
    app.secret_key = settings.secret
    app.config.update(
        BUILD=settings.build,
        MEDIA=settings.media.resolve(),
        MAX_CONTENT_LENGTH=8 * 1024 * 1024,
        NEIGHBOURS_SECRET=settings.neighbours_secret,
        WHOAMI_SECRET=settings.whoami_secret,
        SESSION_COOKIE_NAME="shop_session",
        SESSION_COOKIE_SAMESITE="Lax",
    )
    db.init_db(settings)
    for blueprint in (shop, account, admin, export, media, catalog_api, cart_api, neighbours, identity):
        app.register_blueprint(blueprint)
    errors.register(app)
    app.before_request(page_views.write_page_view)
    app.before_request(security.check_csrf)
    app.after_request(compress)
    app.after_request(sign)
    app.teardown_appcontext(lambda _error: db.session.remove())
    app.context_processor(storefront.for_every_page)
    app.template_filter("eur")(storefront.eur)
    if settings.trusted_hops:
        hops = settings.trusted_hops
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)
    return app


def sign(response):
    response.headers["X-Build"] = current_app.config["BUILD"]
    if request.blueprint != "catalog_api":
        response.headers["X-Queries"] = str(g.get("queries", 0))  # left on since somebody measured something
    return response
