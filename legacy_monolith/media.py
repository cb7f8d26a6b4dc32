"""Product pictures: a folder, and file names from the content."""

import hashlib

from flask import Blueprint, current_app, send_from_directory

blueprint = Blueprint("media", __name__)

SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpg"), (b"GIF87a", "gif"), (b"GIF89a", "gif"))


def kind_of(content):
    """png, jpg, gif, or None for anything that does not begin like a picture."""
    return next((kind for start, kind in SIGNATURES if content.startswith(start)), None)


def keep_picture(product_id, upload):
    """Write the uploaded file into the media folder and return its name, or None when it is no picture."""
    content = upload.read()
    kind = kind_of(content)
    if kind is None:
        return None
    name = f"{product_id}-{hashlib.sha1(content).hexdigest()[:12]}.{kind}"
    (current_app.config["MEDIA"] / name).write_bytes(content)
    return name


@blueprint.route("/media/<name>")
def show_picture(name):
    """Conditional: ETag and Last-Modified come with it, and If-None-Match gives 304."""
    return send_from_directory(current_app.config["MEDIA"], name, max_age=3600)
