"""The pages of the app, as its own list has them, and how each is opened."""

import re
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).parents[2] / "web" / "src" / "app" / "pages.ts"

_ENTRY = re.compile(r'path: "(?P<path>[^"]+)".*?\bfor: "(?P<whose>\w+)"', re.DOTALL)
IDS = {
    "/erasures/:token": "/erasures/er_nobody",
    "/billing/return/:id": "/billing/return/chk_00000000000000000000000000",
    "/s/:token": "/s/AAAAAAAAAAAAAAAAAAAAAA",
    "/separations/:id": "/separations/job_00000000000000000000000000",
    "/developers/webhooks/:id": "/developers/webhooks/whe_00000000000000000000000000",
    "/administration/jobs/:id": "/administration/jobs/job_00000000000000000000000000",
    "/administration/dead-letters/:id": "/administration/dead-letters/uploads-v1-0-0-000000000000",
    "/administration/payments/:id": "/administration/payments/pay_00000000000000000000000000",
    "/administration/users/:id": "/administration/users/usr_00000000000000000000000000",
}
"""The address of a page that has an id in its path."""
FRAGMENTS = {"/account/verify-email": "#token=abc", "/account/reset-password": "#token=abc"}
"""What pages that links in mails lead to get behind the path, once with and once without."""


@dataclass(frozen=True)
class AppPage:
    path: str
    """With `:id` where there is an id."""
    whose: str
    """`anyone`, `guest`, `account` or a role."""

    @property
    def role(self) -> str | None:
        """What its reader has to be besides somebody with an account."""
        return self.whose if self.whose in {"partner", "operator", "admin"} else None

    @property
    def name(self) -> str:
        return self.path.strip("/").replace("/", "-").replace(":", "") or "home"

    @property
    def addresses(self) -> list[str]:
        address = IDS.get(self.path, self.path)
        assert ":" not in address, f"{self.path} needs an id in tests/web/pages.py"
        return [address, *(address + fragment for path, fragment in FRAGMENTS.items() if path == self.path)]


PAGES = [AppPage(found["path"], found["whose"]) for found in _ENTRY.finditer(LIST.read_text(encoding="utf-8"))]
