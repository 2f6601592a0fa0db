"""What pages for people look like, without scripts."""

import base64
import hashlib

from fastapi.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 28rem; margin: 12vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
.amount { font-size: 2.2rem; font-weight: 600; margin: 0.5rem 0 1.5rem; }
.note { opacity: 0.7; font-size: 0.9rem; }
form { display: grid; gap: 0.7rem; margin: 1.5rem 0; }
button { font: inherit; padding: 0.7rem; border: 1px solid #8888; border-radius: 0.5rem; background: none;
  color: inherit; cursor: pointer; }
button.pay { background: #2456d6; border-color: #2456d6; color: #fff; font-weight: 600; }
button:focus-visible, a:focus-visible { outline: 3px solid #7aa2ff; outline-offset: 2px; }
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
# Stricter than the gateway's own: one style sheet by its hash, forms to us, and nothing else.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(title: str, body: str) -> HTMLResponse:
    """A page for people; `title` and `body` are HTML."""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>",
        headers={"content-security-policy": POLICY, "cache-control": "no-store"},
    )
