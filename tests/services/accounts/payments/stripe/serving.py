"""The double's HTTP interface, and the webhooks that it signs."""

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from tests.services.accounts.payments.stripe.documents import Document
from tests.services.accounts.payments.stripe.double import StripeDouble, error

WEBHOOK_SECRET = "whsec_of_the_double"


def signed(event: Document, secret: str = WEBHOOK_SECRET, *, age_seconds: int = 0) -> tuple[bytes, str]:
    """The body of a webhook, and its signature by the SDK's own rule."""
    from stripe import WebhookSignature

    body = json.dumps(event, indent=2)
    return body.encode(), WebhookSignature.generate_signature_header(body, secret, int(time.time()) - age_seconds)


@contextmanager
def serving(double: StripeDouble) -> Iterator[StripeDouble]:
    """The double, answering on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # the body would wait until the receipt of the head is confirmed

        def _respond(self) -> None:
            path, _, query = self.path.partition("?")
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            with double.lock:
                if double.is_away:
                    status, answer = 503, error("away")
                else:
                    status, answer = double.answer(
                        self.command, path, nested(query or sent), self.headers.get("Idempotency-Key")
                    )
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Request-Id", "req_of_the_double")
            self.send_header("Stripe-Should-Retry", "false")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _respond  # noqa: N815 - names of the standard library

        def log_message(self, *_arguments: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def nested(text: str) -> Document:
    """`a[b][0]=1` as `{"a": {"b": {"0": "1"}}}`, which is how Stripe takes parameters."""
    found: Document = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        *way, last = re.findall(r"[^\[\]]+", name)
        place = found
        for step in way:
            place = place.setdefault(step, {})
        place[last] = value
    return found
