"""What is looked at for each service, by the groups of settings that it has."""

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from os import W_OK, access, environ
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import httpx2
from limits.errors import StorageError
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsError

from services.accounts.sessions.tokens import BadSigningKeyError, SigningKeys
from services.doctor import event_log, models, outside, stores
from services.doctor.findings import Finding, ok, one_line, warning, wrong
from services.doctor.one_machine import Life
from services.gateway.counters import IN_THIS_PROCESS, close, counter_storage
from services.kit.settings import (
    DatabaseSettings,
    KafkaSettings,
    OutboundSettings,
    ServiceSettings,
    StorageSettings,
    TokenVerifierSettings,
)
from services.kit.settings_errors import complaints
from services.known_settings import unknown_settings

LEAST_FREE_BYTES = 2 * 1024**3
TIMEOUT_SECONDS = 5.0


def examine(services: Iterable[str], life: Life = "running") -> Iterator[Finding]:
    """Everything that these services need, by the settings in the environment. Each look takes some seconds at most.

    Of a platform on one machine that does not run, only what is there without it.
    """
    for sentence in unknown_settings(environ):
        yield warning("settings", sentence, "")
    stores_seen: set[tuple[str | None, str, str]] = set()
    collectors_seen: set[str] = set()
    for service in services:
        kind: type[BaseSettings] = import_module(f"services.{service}.settings").Settings
        try:
            settings: Any = kind()
        except (ValidationError, SettingsError) as error:
            for complaint in complaints(error, kind):
                yield wrong(f"settings of {service}", complaint, "Set it; `stemwright settings` says what each means.")
            continue
        yield ok(f"settings of {service}", f"{settings.environment}")
        yield from _own(service, settings, life)
        if isinstance(settings, DatabaseSettings) and life != "new":
            yield from stores.database(service, settings)
        if life != "running":
            continue
        if isinstance(settings, KafkaSettings):
            yield from event_log.event_log(service, settings)
        if isinstance(settings, StorageSettings):
            store = (settings.s3_endpoint_url, settings.s3_bucket, settings.s3_access_key_id)
            if store not in stores_seen:
                stores_seen.add(store)
                yield from stores.object_store(settings)
        if isinstance(settings, OutboundSettings):
            yield from outside.proxy(service, settings)
        endpoint = settings.otlp_endpoint
        if endpoint is not None and endpoint not in collectors_seen:
            collectors_seen.add(endpoint)
            yield from outside.collector(endpoint)
        if isinstance(settings, TokenVerifierSettings):
            yield from _keys(f"keys of access tokens, for {service}", settings.jwks_url)


def _own(service: str, settings: ServiceSettings, life: Life) -> Iterator[Finding]:
    """What one service alone has."""
    if service == "gateway":
        yield from _gateway(settings, life)
    elif service == "accounts" and life != "new":
        yield from _signing_key(settings)
        yield from outside.mail_server(settings)
    elif service == "upload":
        yield from disk("upload", getattr(settings, "scratch_directory", None) or temporary_folder())
    elif service == "canary" and life == "running":
        yield from _canary(settings)
    elif service == "worker":
        yield from disk("worker", getattr(settings, "temp_dir"))  # noqa: B009 - another class than is declared
        yield from models.models(settings)


def temporary_folder() -> Path:
    """Where a service works that gets this environment. Its folder may not be there yet: Python would take another."""
    return Path(environ.get("TMPDIR") or gettempdir())


def _gateway(settings: Any, life: Life) -> Iterator[Finding]:
    for name in ("accounts", "upload", "orchestrator", "notifier") if life == "running" else ():
        url = f"{str(getattr(settings, f'{name}_url')).rstrip('/')}/healthz"
        yield from answers(f"service {name}, for gateway", url, f"STEMWRIGHT_GATEWAY_{name.upper()}_URL")
    if life == "running":
        yield from _counters(settings.rate_limit_storage.get_secret_value())
    if settings.environment == "production" and not settings.proxies:
        yield warning(
            "proxies of gateway", "none is trusted", "Behind one, all clients share its address and its rates."
        )


def _canary(settings: Any) -> Iterator[Finding]:
    """Whether the gateway takes its key."""
    about, url = "key of canary", f"{str(settings.url).rstrip('/')}/v1/jobs"
    make = "`stemwright accounts canary-key` makes one."
    try:
        key = settings.key_file.read_text(encoding="ascii").strip()
        answer = httpx2.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT_SECONDS, trust_env=False)
    except OSError as error:
        yield wrong(about, f"{settings.key_file}: {error.strerror}", make)
    except httpx2.HTTPError as error:
        yield wrong(about, f"{url} does not answer: {one_line(error)}", "Start it, or correct STEMWRIGHT_CANARY_URL.")
    else:
        if answer.is_success:
            yield ok(about, f"{url} takes it")
        else:
            yield wrong(about, f"{url} answers {answer.status_code}", make)


def answers(about: str, url: str, setting: str) -> Iterator[Finding]:
    """Whether somebody answers there. Any answer will do: with an admin port, a service's own has no probes."""
    try:
        status = httpx2.get(url, timeout=TIMEOUT_SECONDS, trust_env=False).status_code
    except httpx2.HTTPError as error:
        yield wrong(about, f"{url} does not answer: {one_line(error)}", f"Start it, or correct {setting}.")
        return
    if status >= 500:
        yield wrong(about, f"{url} answers {status}", "Its own log says why.")
    else:
        yield ok(about, f"{url} answers")


def _keys(about: str, url: str) -> Iterator[Finding]:
    """Whether accounts answers there, and not some other service."""
    try:
        answer = httpx2.get(url, timeout=TIMEOUT_SECONDS, trust_env=False)
    except httpx2.HTTPError as error:
        yield wrong(about, f"{url} does not answer: {one_line(error)}", "Start it, or correct STEMWRIGHT_JWKS_URL.")
        return
    try:
        keys = answer.json()["keys"] if answer.is_success else None
    except (ValueError, KeyError, TypeError):
        keys = None
    if keys:
        yield ok(about, f"{url} answers")
    elif answer.status_code >= 500:
        yield wrong(about, f"{url} answers {answer.status_code}", "Its own log says why.")
    else:
        says = f"{url} answers {answer.status_code}, without keys"
        yield wrong(about, says, "It has to be that of accounts: correct STEMWRIGHT_JWKS_URL.")


def _counters(address: str) -> Iterator[Finding]:
    """Whether the store of the gateway's rates answers, where it has one of its own."""
    if address == IN_THIS_PROCESS:
        return

    async def is_there() -> bool:
        storage = counter_storage(address)
        try:
            return await storage.check()
        finally:
            await close(storage)

    about = "counters of gateway"
    try:
        there = asyncio.run(is_there())
    except (StorageError, OSError):
        there = False
    if there:
        yield ok(about, "the store of STEMWRIGHT_GATEWAY_RATE_LIMIT_STORAGE answers")
    else:
        says = "the store of STEMWRIGHT_GATEWAY_RATE_LIMIT_STORAGE does not answer"
        yield wrong(about, says, "Start it, or correct the address, its password and its certificate.")


def _signing_key(settings: Any) -> Iterator[Finding]:
    file: Path | None = settings.signing_key_file
    about = "signing key of accounts"
    if file is None:
        yield warning(about, "none is set: access tokens end with the process", "STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE")
        return
    try:
        readable = file.stat().st_size > 0
    except OSError as error:
        yield wrong(about, f"{file}: {error.strerror}", "Mount the secret, or correct the path.")
        return
    mode = file.stat().st_mode & 0o077
    try:
        SigningKeys.from_pem(file.read_bytes())
    except OSError as error:
        yield wrong(about, f"{file}: {error.strerror}", "Let the user of the service read it.")
        return
    except BadSigningKeyError as error:
        says = f"{file} is of no use: {error}" if readable else f"{file} is empty"
        yield wrong(about, says, "Put an Ed25519 key there (docs/accounts.md).")
        return
    if mode & 0o007:
        yield warning(about, f"{file} may be read by everybody on this machine", f"chmod o-rwx {file}")
    else:
        yield ok(about, str(file))


def disk(service: str, folder: Path) -> Iterator[Finding]:
    """Whether there is room for work, and whether it may be written to."""
    about = f"disk of {service}"
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not access(there, W_OK):
        yield wrong(about, f"{there} may not be written to", "Mount a volume there, or name another folder.")
        return
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        yield warning(
            about, f"{there} has {free / 1e9:.1f} GB left", "A song of an hour takes up to 2 GB while it lasts."
        )
    else:
        yield ok(about, f"{there} has {free / 1e9:.0f} GB left")
