#!/usr/bin/env python3
"""Separate a song with Stemwright's API: sign in, upload in parts, order, wait, download, check. Standard library only.

    export STEMWRIGHT_URL=http://127.0.0.1:8080 STEMWRIGHT_EMAIL=me@example.com STEMWRIGHT_PASSWORD='a long pass phrase'
    python3 separate_song.py song.mp3 --output stems --format flac

With STEMWRIGHT_API_KEY no password is needed. Run it again after it was stopped: it goes on where it was.
"""

import argparse
import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FINAL = {"succeeded", "failed", "canceled", "rejected"}
PASSING = {408, 425, 429, 500, 502, 503, 504}
TRIES = 8


class ApiError(Exception):
    """The API refused: `code` is for programs, the text for people."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        self.status, self.code = status, problem.get("code", "")
        super().__init__(f"{status} {self.code}: {problem.get('detail', 'no reason given')}")


def opened(request: urllib.request.Request, timeout: float) -> Any:
    """The answer. A platform on this machine is asked without the proxy that the environment may name."""
    here = urllib.parse.urlsplit(request.full_url).hostname in ("127.0.0.1", "localhost", "::1")
    handlers = [urllib.request.ProxyHandler({})] if here else []
    return urllib.request.build_opener(*handlers).open(request, timeout=timeout)


def send(request: urllib.request.Request, timeout: float = 120) -> Any:
    """The open answer. What passes by itself (no answer, 429, 503 ...) is tried again, as the server asks for it."""
    for attempt in range(TRIES):
        pause = 0.5 * 2**attempt
        try:
            return opened(request, timeout)
        except urllib.error.HTTPError as error:
            body = error.read()
            is_problem = error.headers.get_content_type() == "application/problem+json"
            problem = json.loads(body) if is_problem else {"detail": body.decode(errors="replace")[:200]}
            # 409 with Retry-After: the same request is being answered at this moment.
            passing = error.code in PASSING or (error.code == 409 and "Retry-After" in error.headers)
            if not passing or attempt == TRIES - 1:
                raise ApiError(error.code, problem) from None
            pause = float(error.headers.get("Retry-After", pause))
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if attempt == TRIES - 1:
                raise
        time.sleep(min(pause, 30))
    raise AssertionError("unreachable")


class Stemwright:
    """The calls that separating one song takes."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.token = os.environ.get("STEMWRIGHT_API_KEY", "")
        self.token_until = float("inf") if self.token else 0.0

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> urllib.request.Request:
        """A request with the caller's credential; `body` is sent as JSON."""
        if time.monotonic() > self.token_until:
            self.sign_in()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            named["Content-Type"] = "application/json"
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.Request(self.url + path, data, named, method=method)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        with send(self.request(method, path, body, **headers)) as answer:
            document: dict[str, Any] = json.load(answer)
            return document

    def sign_in(self) -> None:
        """Gets an access token, which works for ten minutes; signs up first where there is no account."""
        email, password = os.environ.get("STEMWRIGHT_EMAIL", ""), os.environ.get("STEMWRIGHT_PASSWORD", "")
        if not (email and password):
            raise SystemExit("error: set STEMWRIGHT_API_KEY, or STEMWRIGHT_EMAIL and STEMWRIGHT_PASSWORD")
        form = urllib.parse.urlencode({"grant_type": "password", "username": email, "password": password}).encode()
        try:
            answer = send(urllib.request.Request(f"{self.url}/v1/auth/token", form))
        except ApiError as error:
            if error.code != "invalid_grant":
                raise
            account = json.dumps({"email": email, "password": password}).encode()
            kind = {"Content-Type": "application/json"}
            send(urllib.request.Request(f"{self.url}/v1/auth/register", account, kind)).close()
            # Where addresses are verified this is refused until the link in the mail was followed.
            answer = send(urllib.request.Request(f"{self.url}/v1/auth/token", form))
        with answer:
            tokens = json.load(answer)
        self.token, self.token_until = tokens["access_token"], time.monotonic() + tokens["expires_in"] - 60

    def upload(self, song: Path) -> dict[str, Any]:
        """Sends the parts that have not arrived yet, each to its own signed address, and waits for the verdict."""
        size, digest = song.stat().st_size, sha256_of(song)
        if size == 0:
            raise SystemExit(f"{song.name} cannot be separated: The file is empty.")
        # The key is made of the request: the same song sent again is the same upload, with what is still missing of it.
        wanted = {"filename": song.name, "size_bytes": size, "sha256": digest}
        made = self.call("POST", "/v1/uploads", wanted, Idempotency_Key=key_of(wanted))
        upload = self.call("GET", f"/v1/uploads/{made['id']}")
        with song.open("rb") as file:
            for part in upload["parts"]:
                file.seek((part["number"] - 1) * upload["part_size_bytes"])
                # The address is the credential here: nothing else may be sent along.
                send(urllib.request.Request(part["url"], file.read(part["size_bytes"]), method="PUT")).close()
        if upload["status"] == "pending":
            upload = self.call("POST", f"/v1/uploads/{upload['id']}/complete", {})
        while upload["status"] == "validating":
            time.sleep(0.5)
            upload = self.call("GET", f"/v1/uploads/{upload['id']}")
        if upload["status"] != "ready":
            raise SystemExit(f"{song.name} cannot be separated: {upload['reason']}")
        return upload

    def watch(self, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """`status` events (the whole job) and `progress` events, until the job has ended; a broken stream goes on."""
        last_id = ""
        while True:
            headers = {"Accept": "text/event-stream", **({"Last_Event_ID": last_id} if last_id else {})}
            try:
                with send(self.request("GET", f"/v1/jobs/{job_id}/events", **headers)) as stream:
                    event = {"event": "", "data": "", "id": ""}
                    for line in stream:
                        name, _, value = line.decode().rstrip("\n").partition(": ")
                        if name in event:
                            event[name] = value
                        elif not name and event["data"]:
                            last_id = event["id"] or last_id
                            data = json.loads(event["data"])
                            yield event["event"], data
                            if data.get("status") in FINAL:
                                return
                            event = {"event": "", "data": "", "id": ""}
            except (ConnectionError, TimeoutError):
                pass
            job = self.call("GET", f"/v1/jobs/{job_id}")
            if job["status"] in FINAL:
                yield "status", job
                return

    def download(self, job_id: str, stem: dict[str, Any], target: Path) -> None:
        """Fetches a stem, goes on where it broke off, and checks its digest."""
        part = target.with_name(target.name + ".part")
        for _ in range(TRIES):
            have = part.stat().st_size if part.exists() else 0
            if have == stem["size_bytes"]:
                break
            link = self.call("GET", f"/v1/jobs/{job_id}/stems/{stem['name']}", Accept="application/json")
            try:
                answer = send(urllib.request.Request(link["url"], headers={"Range": f"bytes={have}-"}))
                with answer, part.open("ab" if answer.status == 206 else "wb") as file:
                    while block := answer.read(1 << 20):
                        file.write(block)
            except (ConnectionError, TimeoutError):
                continue
        if sha256_of(part) != stem["sha256"]:
            part.unlink()
            raise SystemExit(f"{target.name} did not arrive as it was made; run this again")
        part.replace(target)


def key_of(body: dict[str, Any]) -> str:
    """An Idempotency-Key that is the same for the same request."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def how_exactly(quality: dict[str, Any]) -> str:
    """Formats that lose something (MP3, Opus ...) are measured before they do."""
    if quality["sum_is_exact"]:
        return "exactly"
    if quality["null_residual_dbfs"] is None:
        return "exactly, before they were encoded"
    return f"but for {quality['null_residual_dbfs']:.1f} dBFS"


def main() -> None:
    parser = argparse.ArgumentParser(description="Separate a song with Stemwright's API.")
    parser.add_argument("song", type=Path)
    parser.add_argument("--output", type=Path, default=Path("stems"), help="folder for the stems (default: stems)")
    parser.add_argument("--format", default="flac", choices=["flac", "wav", "mp3", "m4a", "ogg", "opus"])
    parser.add_argument("--preview", action="store_true", help="thirty seconds, free")
    wanted = parser.parse_args()

    api = Stemwright(os.environ.get("STEMWRIGHT_URL", "http://127.0.0.1:8080"))
    upload = api.upload(wanted.song)
    print(f"{wanted.song.name}: {upload['audio']['duration_seconds']:.1f} s, {upload['audio']['codec']}")
    if not upload["audio"]["complete"]:
        print("  it is damaged or ends early: no more of it can be read")

    order = {
        "upload_id": upload["id"],
        "mode": "preview" if wanted.preview else "full",
        "output": {"format": wanted.format},
    }
    # Running this again finds the job that there is, instead of paying for another.
    job = api.call("POST", "/v1/jobs", order, Idempotency_Key=key_of(order))
    shown = ""
    for event, data in api.watch(job["id"]):
        if event == "progress":
            line = f"  {data['stage']} {data['fraction']:.0%}"
            if line != shown:
                print(line)
            shown = line
        else:
            print(f"  {data['status']}")
            job = data
    if job["status"] != "succeeded":
        raise SystemExit(f"the job {job['status']}: {job['error']['message'] if job['error'] else 'no reason given'}")

    wanted.output.mkdir(parents=True, exist_ok=True)
    for stem in job["stems"]:
        target = wanted.output / f"{wanted.song.stem} ({stem['name']}).{stem['format']}"
        api.download(job["id"], stem, target)
        print(f"  {target}  {stem['size_bytes']:,} bytes")
    print(f"The stems sum to the song {how_exactly(job['quality'])}. It cost {job['price_credits']} credits.")


if __name__ == "__main__":
    try:
        main()
    except (ApiError, OSError) as error:  # OSError: no such file, or nobody answers
        sys.exit(f"error: {error}")
