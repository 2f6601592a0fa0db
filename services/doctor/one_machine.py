"""What the services of a platform on one machine are told, for whoever looks at them from beside."""

from collections.abc import Mapping
from pathlib import Path

from services.local.home import Home
from services.local.infrastructure import BROKER, STORE
from services.local.sockets import LOOPBACK

ELSEWHERE = ("KAFKA_BOOTSTRAP_SERVERS", "S3_ENDPOINT_URL", "DATABASE_URL")


def settings_in_home(root: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Settings by which the platform in this home is reached; none where there is no home, or it lies elsewhere."""
    home = Home(root)
    ports = home.remembered_ports()
    if not ports or any(given.get(name) for name in ELSEWHERE):
        return {}
    urls = {name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}
    keys = home.store_keys()
    told = {
        "STEMWRIGHT_ONE_MACHINE": "true",
        "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE": str(home.signing_key()),
        "S3_ACCESS_KEY_ID": keys.access_key_id,
        "S3_SECRET_ACCESS_KEY": keys.secret_access_key,
        "KAFKA_BOOTSTRAP_SERVERS": f"{LOOPBACK}:{ports.get(BROKER, 9092)}",
        "S3_ENDPOINT_URL": urls.get(STORE, ""),
        "STEMWRIGHT_JWKS_URL": f"{urls.get('accounts', '')}/.well-known/jwks.json",
    }
    for name in ("accounts", "upload", "orchestrator", "notifier"):
        if name in urls:
            told[f"STEMWRIGHT_GATEWAY_{name.upper()}_URL"] = urls[name]
    return told
