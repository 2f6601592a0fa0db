"""Whose credentials and settings a client of the object store takes; signing an address needs no store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.health import _problems
from services.kit.s3 import S3Storage, _session

BROKEN = {
    "AWS_PROFILE": "missing",
    "AWS_DEFAULT_PROFILE": "missing",
    "AWS_CONFIG_FILE": "this is [no file of that kind",
    "AWS_SHARED_CREDENTIALS_FILE": "this is [no file of that kind",
    "AWS_DEFAULTS_MODE": "nonsense",
}


@pytest.fixture(autouse=True)
def anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No session that was made before, and nothing of whoever runs the tests."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", *BROKEN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    _session.cache_clear()
    yield
    _session.cache_clear()


def storage(key: str = "", secret: str = "") -> S3Storage:
    return S3Storage(
        endpoint_url="http://127.0.0.1:1", region="us-east-1", bucket="b", access_key_id=key, secret_access_key=secret
    )


def broken(name: str, tmp_path: Path) -> str:
    if not name.endswith("_FILE"):
        return BROKEN[name]
    file = tmp_path / "file"
    file.write_text(BROKEN[name])
    return str(file)


@pytest.mark.parametrize("name", BROKEN)
def test_with_keys_of_ours_nobodys_profile_or_file_matters(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, broken(name, tmp_path))

    assert "X-Amz-Credential=OURS%2F" in storage("OURS", "secret").presign_get("song", 60)


@pytest.mark.parametrize("named", [True, False])
def test_without_keys_of_ours_the_sdk_finds_its_own(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if named:
        file = tmp_path / "credentials"
        file.write_text("[theirs]\naws_access_key_id = THEIRS\naws_secret_access_key = secret\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
        monkeypatch.setenv("AWS_PROFILE", "theirs")
    else:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "THEIRS")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    assert "X-Amz-Credential=THEIRS%2F" in storage().presign_get("song", 60)


def test_the_health_check_names_what_keeps_the_sdk_from_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing")

    assert _problems({"object store": storage().ping}) == {
        "object store": "The object store does not answer: The config profile (missing) could not be found"
    }
