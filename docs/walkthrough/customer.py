"""A customer who orders again and again, and writes down (to stdout) each order that was confirmed.

usage: python customer.py http://127.0.0.1:8000 > receipts.txt

Each order carries a reference of the customer's own. Where no answer came, or one that leaves it open, the
same order is sent again under the same reference, as any careful client would.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request

MINUTES = 5.0
TRIES = 60  # half a minute without an answer: the shop was stopped


def send(opener: urllib.request.OpenerDirector, url: str, body: object) -> tuple[int, bytes]:
    """POST it; status 0 means that no answer came."""
    asked = urllib.request.Request(  # noqa: S310 - the reader names the shop
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with opener.open(asked, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def order(opener: urllib.request.OpenerDirector, shop: str, reference: str, product: int) -> bool:
    """Whether it was confirmed, or had been already."""
    body = {"items": [{"product_id": product, "quantity": 1}], "client_reference": reference}
    for _ in range(TRIES):
        status, text = send(opener, f"{shop}/api/orders", body)
        if status == 201 or (status == 409 and b"reference already" in text):
            return True
        if 400 <= status < 500:
            return False  # sold out, for example
        time.sleep(0.5)
    sys.exit("The shop does not answer any more.")


def main(shop: str) -> None:
    """Order for a few minutes."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    status, _ = send(opener, f"{shop}/api/login", {"email": "customer1@example.test", "password": "secret1"})
    if status != 200:
        sys.exit(f"The login was answered with {status}.")
    end, number = time.monotonic() + MINUTES * 60, 0
    while time.monotonic() < end:
        number += 1
        reference = f"walk-{os.getpid()}-{number}"
        if order(opener, shop, reference, 12 * (number % 30) + 1):
            sys.stdout.write(f"{reference}\n")
            sys.stdout.flush()
        time.sleep(0.5)


if __name__ == "__main__":
    main(sys.argv[1])
