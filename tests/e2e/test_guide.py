"""What the documentation shows works as it stands: the README's lines, each example of the document, the program."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx2
import numpy as np
import pytest

from services.accounts.mail.folder import stored
from services.accounts.users.schemas import EXAMPLE_MAIL_TOKEN
from services.kit.schemas import EXAMPLE_IDS, EXAMPLE_REFRESH_TOKEN
from services.local.client import Client, sha256_of
from services.local.platform import Platform
from tests.e2e.jobs import PATIENCE_SECONDS, FinishedJob, NewAccount, eventually
from tests.e2e.songs import music, read, write_wav_16

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "examples" / "separate_song.py"


@pytest.mark.skipif(shutil.which("curl") is None, reason="the README's lines use curl")
def test_the_readmes_lines_work_as_they_are_pasted_and_again(platform: Platform, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = (block for block in re.findall(r"```bash\n(.*?)```", readme, re.DOTALL) if "api=http" in block)
    song = write_wav_16(tmp_path / "song.mp3", music(3))
    for _ in range(2):
        pasted = lines.replace("http://127.0.0.1:8080", platform.gateway_url)
        run = subprocess.run(["bash"], input=pasted, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert "Traceback" not in run.stderr, run.stderr
        assert '"status":"succeeded"' in run.stdout, run.stdout + run.stderr
        vocals, rate_hz = read(tmp_path / "vocals.flac")
        assert (len(vocals), rate_hz) == (len(read(song)[0]), 44_100)
        (tmp_path / "vocals.flac").unlink()


def test_the_guides_own_program_works_as_it_is_pasted_and_again(platform: Platform, tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (tmp_path / "separate.py").write_text(program, encoding="utf-8")
    song = write_wav_16(tmp_path / "my song.wav", music(3))
    environment = {"STEMWRIGHT_URL": platform.gateway_url, "STEMWRIGHT_EMAIL": f"{uuid4().hex}@example.com"}
    environment |= {"STEMWRIGHT_PASSWORD": "a long pass phrase", "PATH": os.environ["PATH"]}

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "separate.py", name]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    for _ in range(2):
        done = run("my song.wav")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The stems sum to the song exactly." in done.stdout
        stems = [read(tmp_path / f"my song ({name}).flac")[0] for name in ("vocals", "instrumental")]
        assert len(stems[0]) == len(stems[1]) == len(read(song)[0])
    (tmp_path / "half.wav").write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    assert "half.wav is damaged or ends early: 1.5 s of it can be read\n" in run("half.wav").stdout
    for name, why in (("absent.wav", "No such file"), ("separate.py", "separate.py: ")):
        refused = run(name)
        assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr
        assert why in refused.stderr


def test_the_program_separates_a_song_and_goes_on_where_it_was(platform: Platform, tmp_path: Path) -> None:
    song = write_wav_16(tmp_path / "my song.wav", music(10))
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("STEMWRIGHT_")},
        "STEMWRIGHT_URL": platform.gateway_url,
        "STEMWRIGHT_EMAIL": "guide@example.com",
        "STEMWRIGHT_PASSWORD": "a long pass phrase",
    }

    def run(**changed: str) -> str:
        command = [sys.executable, str(PROGRAM), str(song), "--output", str(tmp_path / "stems"), "--format", "wav"]
        done = subprocess.run(
            command, env={**environment, **changed}, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    told = run()
    assert "succeeded" in told
    assert "ends early" not in told
    assert "sum to the song exactly" in told
    paths = [tmp_path / "stems" / f"my song ({name}).wav" for name in ("vocals", "instrumental")]
    vocals, instrumental = (read(path)[0] for path in paths)
    assert np.array_equal(vocals + instrumental, read(song)[0])
    # What was half fetched is fetched to its end, with a key in place of a password, and nothing is paid for twice.
    with Client(platform.gateway_url) as client:
        client.sign_in("guide@example.com", "a long pass phrase")
        before = client.call("GET", "/v1/billing/balance")
        key = client.call("POST", "/v1/api-keys", json={"name": "guide", "scopes": ["uploads", "jobs"]})["key"]
        digest, content = sha256_of(paths[0]), paths[0].read_bytes()
        paths[0].unlink()
        paths[0].with_name(paths[0].name + ".part").write_bytes(content[: len(content) // 2])
        run(STEMWRIGHT_API_KEY=key)
        assert sha256_of(paths[0]) == digest
        assert client.call("GET", "/v1/billing/balance") == before
    song.write_bytes(song.read_bytes()[: song.stat().st_size // 2])
    assert "it is damaged or ends early" in run()


@pytest.mark.parametrize(("song", "why"), [("no song.mp3", "invalid_api_key"), ("absent.mp3", "No such file")])
def test_the_program_says_in_a_line_why_not(platform: Platform, tmp_path: Path, song: str, why: str) -> None:
    (tmp_path / "no song.mp3").write_bytes(b"not music at all")
    run = subprocess.run(
        [sys.executable, str(PROGRAM), song],
        env={**os.environ, "STEMWRIGHT_URL": platform.gateway_url, "STEMWRIGHT_API_KEY": "sk_wrong"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr.count("\n")) == (1, 1)
    assert why in run.stderr


class Page:
    """The interactive page: ids of what was made, and the token, carry over to the next request."""

    def __init__(self, url: str) -> None:
        self.http = httpx2.Client(base_url=url, timeout=PATIENCE_SECONDS)
        self.latest: dict[str, str] = {}
        # The platform is that of other tests too, and one of them may have signed up with the example before.
        self.address = f"ada.{uuid4().hex}@example.com"

    def filled(self, text: str) -> str:
        text = text.replace("ada@example.com", self.address)
        # Nobody is asked for a song: nobody listens there.
        text = text.replace("https://music.example.com", "http://127.0.0.1:1")
        text = text.replace(EXAMPLE_MAIL_TOKEN, self.latest.get("token by mail", EXAMPLE_MAIL_TOKEN))
        for example in (*EXAMPLE_IDS.values(), EXAMPLE_REFRESH_TOKEN):
            text = text.replace(example, self.latest.get(example.split("_")[0], example))
        return text

    def execute(self, method: str, path: str, media_type: str, content: bytes | dict[str, Any]) -> httpx2.Response:
        headers = {"Authorization": self.latest["token"]} if "token" in self.latest else {}
        if isinstance(content, bytes):
            body = content
        elif media_type == "application/json":
            body = self.filled(json.dumps(content)).encode()
        else:
            body = urlencode({name: self.filled(value) for name, value in content.items()}).encode()
        response = self.http.request(
            method, self.filled(path), content=body, headers={**headers, "Content-Type": media_type}
        )
        assert response.is_success, f"{method} {path}: {response.text}"
        if response.content:
            self.remember(response.json())
        return response

    def remember(self, made: dict[str, Any]) -> None:
        if "access_token" in made:
            self.latest |= {"token": f"Bearer {made['access_token']}", "rt": made["refresh_token"]}
        if "id" in made and not made.get("source_url"):
            self.latest[made["id"].split("_")[0]] = made["id"]

    def get(self, path: str) -> dict[str, Any]:
        document: dict[str, Any] = self.http.get(path, headers={"Authorization": self.latest["token"]}).json()
        return document


ORDER = (
    *("register", "verifyEmail", "requestPasswordReset", "confirmPasswordReset"),
    *("openWebSession", "token", "updateMe", "createApiKey", "createUpload", "putUploadContent", "completeUpload"),
    *(
        "createCheckout",
        "createQuote",
        "createBatchQuote",
        "createJob",
        "createBatch",
        "putFeedback",
        "createShare",
        "beginSecondFactor",
        "changeEmail",
        "changePassword",
        "eraseMe",
    ),
)
"""Of all operations with a body, as a person goes down the page."""

OF_OTHERS = {"receiveWebhook", "confirmSecondFactor", "removeSecondFactor"}
"""What a payment provider signs, and what takes a code from a person's app."""

OF_PARTNERS = {"createWebhookEndpoint", "changeWebhookEndpoint", "redeliverWebhooks"}
"""What takes a role; tests/services/notifier sends their examples."""


@pytest.fixture
def page(platform: Platform) -> Iterator[Page]:
    page = Page(platform.gateway_url)
    yield page
    page.http.close()


def test_each_example_of_the_document_succeeds_as_it_stands(page: Page, platform: Platform, tmp_path: Path) -> None:
    document = page.http.get("/v1/openapi.json").json()
    operations = {
        operation["operationId"]: (method, path, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "requestBody" in operation and not path.startswith("/v1/admin/")
    }
    assert set(operations) == {*ORDER, *OF_OTHERS, *OF_PARTNERS}
    song = write_wav_16(tmp_path / "song.wav", music(1)).read_bytes()
    for name in ORDER:
        method, path, operation = operations[name]
        ((media_type, body),) = operation["requestBody"]["content"].items()
        path = path.format_map({item["name"]: item.get("example") for item in operation.get("parameters", ())})
        if name == "putUploadContent":
            page.execute(method, path, media_type, song)
            continue
        for example in body["examples"].values():
            if name == "completeUpload":
                _send_parts(page, operations["createUpload"], song)
            if name == "putFeedback":
                _finish(page)
            if "token" in example["value"]:
                page.latest["token by mail"] = _token_by_mail(platform, page.address, SUBJECTS[name])
            page.execute(method, path, media_type, example["value"])


SUBJECTS = {"verifyEmail": "Verify your address", "confirmPasswordReset": "Set a new password"}


def _token_by_mail(platform: Platform, address: str, subject: str) -> str:
    """The token in a mail, once it has arrived."""
    tokens: list[str] = []

    def has_arrived() -> bool:
        for mail in stored(platform.home.mail):
            if (mail.message["To"], mail.message["Subject"]) == (address, subject):
                tokens[:] = re.findall(r"#token=(\S+)", mail.body("plain"))
        return bool(tokens)

    eventually(has_arrived, "the mail")
    (token,) = tokens
    return token


def _send_parts(page: Page, create: tuple[str, str, dict[str, Any]], song: bytes) -> None:
    """An upload that has all its parts and is not complete."""
    method, path, operation = create
    example = next(iter(operation["requestBody"]["content"]["application/json"]["examples"].values()))["value"]
    made = page.execute(method, path, "application/json", example).json()
    for part in made["parts"]:
        assert page.http.put(part["url"], content=song).status_code == 200


def _finish(page: Page) -> None:
    """A job that feedback can be given on."""
    job_id = page.latest["job"]
    eventually(lambda: page.get(f"/v1/jobs/{job_id}")["status"] == "succeeded", "the job to succeed")


@pytest.mark.parametrize(
    ("wanted", "part"),
    [("bytes=0-99", slice(0, 100)), ("bytes=1000-", slice(1000, None)), ("bytes=-7", slice(-7, None))],
)
def test_a_range_of_a_stem_is_206_with_those_bytes(finished: FinishedJob, wanted: str, part: slice) -> None:
    path = f"/v1/jobs/{finished.job['id']}/stems/vocals"
    link = finished.client.call("GET", path, headers={"Accept": "application/json"})
    whole = httpx2.get(link["url"], timeout=180)
    assert (whole.status_code, len(whole.content)) == (200, link["size_bytes"])
    ranged = httpx2.get(finished.client.send("GET", path).headers["Location"], headers={"Range": wanted}, timeout=180)
    assert (ranged.status_code, ranged.content) == (206, whole.content[part])


def test_a_deleted_key_and_a_session_that_signed_out_stop_working(new_account: NewAccount) -> None:
    """Within five seconds, as `tests/services/accounts/test_behind_the_gateway.py` shows by the gateway's clock."""
    person = new_account()
    key = person.call("POST", "/v1/api-keys", json={"name": "a", "scopes": ["jobs"]})
    program = Client(str(person.http.base_url), key["key"])
    assert program.call("GET", "/v1/jobs") == {"items": [], "next_cursor": None}
    person.send("DELETE", f"/v1/api-keys/{key['id']}")
    assert _refused(program) == "invalid_api_key"
    person.send("POST", "/v1/auth/logout")
    assert _refused(person) == "invalid_token"
    program.http.close()


def _refused(client: Client) -> str:
    codes: list[str] = []

    def is_out() -> bool:
        answer = client.http.get("/v1/jobs", headers={"Authorization": f"Bearer {client.token}"})
        if answer.status_code == 401:
            codes.append(answer.json()["code"])
        return bool(codes)

    eventually(is_out, "it to be refused")
    return codes[0]


def test_a_request_is_found_in_the_logs_of_every_part_that_it_went_through(platform: Platform, account: Client) -> None:
    name = f"order-{time.monotonic_ns()}"
    answer = account.http.get(
        f"/v1/jobs/{EXAMPLE_IDS['job']}", headers={"X-Request-Id": name, "Authorization": f"Bearer {account.token}"}
    )
    assert (answer.status_code, answer.json()["request_id"], answer.headers["x-request-id"]) == (404, name, name)

    def parts() -> Iterator[str]:
        for path in platform.home.logs.glob("*.log"):
            if f'"request_id": "{name}"' in path.read_text(encoding="utf-8", errors="replace"):
                yield path.stem

    eventually(lambda: set(parts()) == {"gateway", "orchestrator"}, "both to tell of it")
