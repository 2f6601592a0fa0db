"""The platform on one machine, for whoever looks at it from beside: whether it runs, and what its services are told."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import ValidationError
from pydantic_settings import SettingsError

from services.doctor.findings import Finding, ok, warning, wrong
from services.kit.settings import sqlite_url
from services.kit.settings_errors import complaints
from services.local.errors import LocalError
from services.local.home import Home
from services.local.infrastructure import BROKER, STORE
from services.local.part import Status
from services.local.plan import SEALING_KEY, SIGNING_KEY, TEMP_DIR, WORKER
from services.local.running import running
from services.local.settings import LocalSettings
from services.local.sockets import LOOPBACK

ELSEWHERE = ("KAFKA_BOOTSTRAP_SERVERS", "S3_ENDPOINT_URL", "DATABASE_URL", "STEMWRIGHT_CANARY_URL")
"""The canary's pod has none of the first three."""

Life = Literal["running", "stopped", "new"]
"""Of a platform: `stopped` has only its home, `new` not even that."""


def is_elsewhere(given: Mapping[str, str]) -> bool:
    """Whether these settings name an event log, a store, a database or, for a canary, a gateway of their own, as in a
    pod."""
    return any(given.get(name) for name in ELSEWHERE)


def runs_in(root: Path) -> bool:
    """Whether a platform runs in this home, whatever of it is elsewhere."""
    try:
        return running(Home(root)) is not None
    except LocalError:
        return False


def platform(root: Path) -> tuple[Life, Sequence[Status], list[Finding]]:
    """Whether a platform runs in this home, with which parts, as a line says it. Makes nothing."""
    home = Home(root)
    stopped: Life = "stopped" if any(home.data.glob("*.db")) else "new"
    about = "platform"
    try:
        snapshot = running(home)
    except LocalError as error:
        return stopped, (), [wrong(about, error, "Look at STEMWRIGHT_HOME.")]
    if snapshot is None:
        advice = "`stemwright up` starts it; STEMWRIGHT_HOME names another home."
        return stopped, (), [wrong(about, f"nothing runs in {home.root}", advice)]
    if not snapshot.is_well:
        advice = "`stemwright status` says which, `stemwright logs PART` why."
        return "running", snapshot.parts, [warning(about, f"not every part is ready in {home.root}", advice)]
    return "running", snapshot.parts, [ok(about, f"runs in {home.root}")]


def own_settings() -> Iterator[Finding]:
    """What `stemwright up` would refuse before it looks at any service."""
    try:
        LocalSettings()
    except (ValidationError, SettingsError) as error:
        for complaint in complaints(error, LocalSettings, os.environ):
            yield wrong("settings of up", complaint, "Set it; `stemwright settings` says what each means.")


def settings_in_home(root: Path, given: Mapping[str, str]) -> dict[str, str]:
    """What the services of the platform in this home get whatever is set besides; nothing where it lies elsewhere.

    Of a platform that runs here only what it has itself is told: its database, its event log or its store may be
    elsewhere, as `given` says. Secrets and ports are told where there are any; none are made.
    """
    if is_elsewhere(given) and not runs_in(root):
        return {}
    home = Home(root)
    ports = home.remembered_ports()
    urls = {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}
    told = {
        "STEMWRIGHT_ONE_MACHINE": "true",
        "TMPDIR": str(home.temporary),
    }
    own = {
        "DATABASE_URL": sqlite_url(home.data),
        TEMP_DIR: str(home.temporary / f"{WORKER}1"),
        SIGNING_KEY: str(home.secrets / "accounts-signing-key.pem"),
    }
    told |= {name: value for name, value in own.items() if not given.get(name)}
    if not given.get("KAFKA_BOOTSTRAP_SERVERS"):
        told["STEMWRIGHT_KAFKA_ALLOW_PLAINTEXT"] = "true"
    if not given.get("S3_ENDPOINT_URL") and (home.secrets / "object-store.json").exists():
        keys = home.store_keys()
        told |= {"S3_ACCESS_KEY_ID": keys.access_key_id, "S3_SECRET_ACCESS_KEY": keys.secret_access_key}
    if not given.get(SEALING_KEY) and (home.secrets / "notifier-sealing-key").exists():
        told[SEALING_KEY] = home.sealing_key()
    if BROKER in ports and not given.get("KAFKA_BOOTSTRAP_SERVERS"):
        told["KAFKA_BOOTSTRAP_SERVERS"] = f"{LOOPBACK}:{ports[BROKER]}"
    if STORE in urls and not given.get("S3_ENDPOINT_URL"):
        told["S3_ENDPOINT_URL"] = urls[STORE]
    if "accounts" in urls:
        told["STEMWRIGHT_JWKS_URL"] = f"{urls['accounts']}/.well-known/jwks.json"
    if home.canary_key.exists():
        told["STEMWRIGHT_CANARY_KEY_FILE"] = str(home.canary_key)
    if state := home.read_state():
        told["STEMWRIGHT_CANARY_URL"] = str(state["gateway_url"])
    for name in ("accounts", "upload", "orchestrator", "notifier"):
        if name in urls:
            told[f"STEMWRIGHT_GATEWAY_{name.upper()}_URL"] = urls[name]
    return told
