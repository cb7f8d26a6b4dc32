"""The label printer's file: one line per label, streamed, since it once took the server's memory."""

import csv
import io

from flask import Blueprint, Response, abort, request
from sqlalchemy import select

from . import db
from .models import Product
from .security import admin_required

blueprint = Blueprint("export", __name__)

MOST_ROWS = 1_000_000
ROWS_A_PIECE = 500


@blueprint.route("/admin/export/labels.csv")
@admin_required
def labels():
    wanted = request.args.get("rows", "100000")
    if not (wanted.isascii() and wanted.isdigit() and 1 <= int(wanted[:9]) <= MOST_ROWS):
        abort(400, f"rows must be a whole number from 1 to {MOST_ROWS}.")
    headers = {"Content-Disposition": 'attachment; filename="labels.csv"'}
    return Response(pieces(int(wanted)), content_type="text/csv; charset=utf-8", headers=headers)


def pieces(wanted):
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(("label", "sku", "name", "price", "copy"))
    for number, row in enumerate(all_labels(wanted), 1):
        writer.writerow((number, *row))
        if number % ROWS_A_PIECE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def all_labels(wanted):
    """(sku, name, price, copy): every product once, then every one a second time, until there are enough."""
    columns = Product.__table__.c
    products = select(columns.sku, columns.name, columns.price).order_by(columns.id)
    # The request is over by now; without `reads_only` this would hold the write lock to the last row.
    options = {"yield_per": ROWS_A_PIECE, "reads_only": True}
    made, copy = 0, 0
    while made < wanted:
        copy += 1
        before = made
        with db.engine.connect() as connection:
            for sku, name, price in connection.execution_options(**options).execute(products):
                if made == wanted:
                    return
                made += 1
                yield sku, spreadsheet_safe(name), price, copy
        if made == before:
            return


def spreadsheet_safe(text):
    """A cell that begins like a formula would be run by the spreadsheet that opens the file."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
