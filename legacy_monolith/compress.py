"""Compression of the pages that somebody once found too slow on a telephone."""

import gzip

from flask import request

COMPRESSED = ("shop.category", "shop.sitemap", "cart_api.list_orders")


def compress(response):
    if request.endpoint not in COMPRESSED or response.status_code != 200 or response.is_streamed:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(response.get_data(), 5, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response
