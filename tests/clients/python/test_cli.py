"""`stemwright client ...` as people and scripts use it."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.cli import main, named_with_its_extra
from stemwright_client import Client
from stemwright_client.cli import client
from tests.clients.python.double import KEY, Double, Fault, named

JOB = named("job", 1)


@pytest.fixture
def run(double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Run":
    monkeypatch.setenv("STEMWRIGHT_API_KEY", KEY)
    monkeypatch.setenv("STEMWRIGHT_URL", double.url)
    monkeypatch.chdir(tmp_path)
    return Run()


class Run:
    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["client", *arguments], standalone_mode=True)


def test_songs_and_what_became_of_them(run: Run, double: Double, song: Path) -> None:
    Path("no.mp3").write_bytes(b"no music")
    done = run("separate", "my song.wav", "no.mp3", "-o", "out", "--parallel", "1")
    assert done.exit_code == 1
    assert done.stdout == "my song.wav: separated for 3 credits -> out/my song\n1 separated, 1 failed\n"
    assert done.stderr == "no.mp3: This is no song. [audio_undecodable]\n"
    assert run("separate", "my song.wav", "-o", "out").stdout == (
        "my song.wav: separated for 3 credits -> out/my song\n"
    )
    assert len(double.jobs) == 1


def test_a_song_that_ends_early_is_separated_and_told(run: Run) -> None:
    Path("half.mp3").write_bytes(b"half of it")
    done = run("separate", "half.mp3", "-o", "out", "--json")
    assert json.loads(done.stdout)["status"] == "done"
    assert done.stderr == "half.mp3 is damaged or ends early: 3.0 s of it can be read\n"


def test_what_is_tried_again_is_told_once_and_limits_are_not(run: Run, double: Double) -> None:
    double.faults.append(Fault("GET /v1/billing/balance", 503, times=3))
    told = run("balance")
    assert told.exit_code == 0
    assert told.stderr.count("; trying again for up to 300 s\n") == told.stderr.count("\n") == 1
    double.faults.append(Fault("GET /v1/billing/balance", 429, times=2))
    assert run("balance").stderr == ""


def test_the_same_as_json(run: Run, double: Double, song: Path) -> None:
    Path("no.mp3").write_bytes(b"no music")
    lines = run("separate", "my song.wav", "no.mp3", "-o", "out", "--json", "--format", "mp3").stdout.splitlines()
    failed, done = sorted(map(json.loads, lines), key=lambda told: str(told["status"]), reverse=True)
    assert failed["error"] == {"code": "audio_undecodable", "message": "This is no song."}
    assert done["files"] == {name: f"out/my song/{name}.mp3" for name in ("vocals", "instrumental")}
    assert done["job"]["price_credits"] == 3


def test_the_steps_one_by_one(run: Run, double: Double, song: Path) -> None:
    assert run("quote", "my song.wav").stdout == "my song.wav: 3 credits of 1000\n"
    assert json.loads(run("quote", "my song.wav", "--json").stdout)["quote"]["price_credits"] == 3
    run("separate", "my song.wav", "-o", "out")
    assert run("status", JOB).stdout == "succeeded\n"
    assert run("wait", JOB).stdout == "succeeded\n"
    assert run("fetch", JOB, "-o", "again").stdout == "again/vocals.flac\nagain/instrumental.flac\n"
    assert run("jobs", "--limit", "5").stdout.startswith(f"{JOB}  2026-11-29 12:00  succeeded")
    assert run("balance").stdout == "997 credits\n"
    assert json.loads(run("balance", "--json").stdout)["available_credits"] == 997
    double.happen("job.succeeded", {"job": {"id": JOB}})
    double.happen("credits.low", {"credits": {}})
    assert run("events", "--after", "0", "--type", "job.succeeded").stdout == (
        f"1  2026-11-29 12:00:00  job.succeeded  {JOB}\n"
    )
    assert [json.loads(line)["sequence"] for line in run("events", "--json").stdout.splitlines()] == [1, 2]


def test_a_job_that_failed_is_told_with_its_reason(run: Run, double: Double, song: Path) -> None:
    double.end = lambda _job: "failed"
    run("separate", "my song.wav")
    assert run("status", JOB).stdout == "failed: It went wrong. [separation_failed]\n"
    waited = run("wait", JOB)
    assert (waited.exit_code, waited.stderr) == (1, "Error: It went wrong.\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("separate", "absent.wav"), "Error: absent.wav: No such file or directory\n"),
        (("status", JOB), "Error: It is job not found. [job_not_found]\n"),
        (("separate", "x.wav", "--start", "3"), "--start and --duration are of a preview"),
        (("separate", "x.wav", "--format", "wma"), "'wma' is not one of"),
        (("separate",), "Missing argument"),
    ],
)
def test_what_is_wrong_is_a_line_or_two(run: Run, double: Double, arguments: tuple[str, ...], why: str) -> None:
    failed = run(*arguments)
    assert failed.exit_code in (1, 2)
    assert why in failed.stderr
    assert failed.stderr.count("\n") <= 2


def test_what_is_wrong_is_an_object_where_objects_are_wanted(run: Run, double: Double) -> None:
    failed = run("status", JOB, "--json")
    assert (failed.exit_code, failed.stderr) == (1, "")
    assert json.loads(failed.stdout)["error"]["code"] == "job_not_found"
    assert json.loads(run("separate", "absent.wav", "--json").stdout) == {
        "status": "failed",
        "error": {"code": "file_unreadable", "message": "absent.wav: No such file or directory"},
    }


def test_another_servers_answer_asks_for_the_address(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    class Another(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None:
            """Says nothing."""

    with HTTPServer(("127.0.0.1", 0), Another) as server:  # which answers 501 to whatever it is asked
        threading.Thread(target=server.handle_request, daemon=True).start()
        monkeypatch.setenv("STEMWRIGHT_URL", f"http://127.0.0.1:{server.server_port}")
        told = run("balance")
    assert told.stderr == (
        "Error: there is no platform at this address: it answered 501, without a code."
        " Is STEMWRIGHT_URL the address of a platform?\n"
    )


def test_a_folder_without_songs_is_told(run: Run) -> None:
    Path("empty").mkdir()
    told = run("separate", "empty")
    assert (told.exit_code, told.stdout, told.stderr) == (1, "", "Error: There is no audio in this folder.\n")
    error = json.loads(run("separate", "empty", "--json").stdout)["error"]
    assert error["code"] == "folder_without_songs"


def test_ctrl_c_ends_with_130_and_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_client: Client) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Client, "balance", interrupted)
    told = run("balance")
    assert (told.exit_code, told.stdout, told.stderr) == (130, "", "Stopped.\n")
    told = run("balance", "--json")
    assert (told.exit_code, told.stderr) == (130, "")
    assert json.loads(told.stdout)["error"] == {"code": "interrupted", "message": "Stopped."}


def test_an_address_without_a_scheme_is_refused_with_those_that_there_are(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMWRIGHT_URL", "stems.example.com")
    assert "it begins with http:// or https://" in run("balance").stderr


def test_output_that_nobody_reads_any_more_ends_it_without_a_word(double: Double) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        told = subprocess.run(
            [sys.executable, "-m", "stemwright_client.cli", "balance"],
            env={**os.environ, "STEMWRIGHT_URL": double.url, "STEMWRIGHT_API_KEY": KEY},
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (told.returncode, told.stderr) == (1, "")


@pytest.mark.parametrize("output", ["taken", "taken/below"])
def test_an_output_that_cannot_be_written_is_told_before_anything_is_uploaded(
    run: Run, double: Double, song: Path, output: str
) -> None:
    Path("taken").write_bytes(b"a file")
    folder = f"{output}/my song"
    refused = run("separate", "my song.wav", "-o", output)
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert refused.stderr.startswith("my song.wav: taken")
    error = json.loads(run("separate", "my song.wav", "-o", output, "--json").stdout)["error"]
    assert error == {"code": "output_write_failed", "message": f"{folder}: Not a directory"}
    assert double.requests == []


def test_a_folder_in_which_nothing_can_be_written_is_told(
    run: Run, double: Double, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the tests are root's, who may write everywhere but on what is mounted for reading."""
    monkeypatch.setattr("os.access", lambda path, _mode: str(path) != "out/my song")
    assert run("separate", "my song.wav", "-o", "out").stderr == "my song.wav: out/my song: Permission denied\n"
    assert double.requests == []


def test_a_file_is_named_where_it_is_not_the_song(run: Run, double: Double, song: Path) -> None:
    run("separate", "my song.wav", "-o", "out")
    Path("taken").write_bytes(b"a file")
    fetched = json.loads(run("fetch", JOB, "-o", "taken", "--json").stdout)["error"]
    assert fetched == {"code": "output_write_failed", "message": "taken: File exists"}
    quoted = json.loads(run("quote", "absent.wav", "--json").stdout)["error"]
    assert quoted == {"code": "file_unreadable", "message": "absent.wav: No such file or directory"}


@pytest.mark.parametrize("name", sorted(set(client.commands) - {"mcp"}))
def test_every_command_speaks_to_programs_too(name: str) -> None:
    assert any("--json" in option.opts for option in client.commands[name].params)


def test_a_key_is_needed_and_never_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMWRIGHT_API_KEY", "sk_wrong")
    refused = run("balance")
    assert refused.stderr == "Error: It is invalid api key. [invalid_api_key]\n"
    monkeypatch.delenv("STEMWRIGHT_API_KEY")
    assert run("balance").stderr == (
        "Error: no API key: set STEMWRIGHT_API_KEY; the page for developers of the platform makes one\n"
    )


def test_a_proxy_that_cannot_be_used_is_a_line_that_names_the_variable(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://somebody:secret@192.0.2.7:9")
    assert run("balance").stdout == "1000 credits\n", "the platform is on this machine"
    monkeypatch.setenv("STEMWRIGHT_URL", "http://192.0.2.8")
    told = run("balance")
    assert (told.exit_code, told.stdout) == (1, "")
    assert told.stderr == "Error: ALL_PROXY: for a SOCKS proxy the package socksio has to be installed\n"


def test_without_the_client_it_is_said_what_to_install() -> None:
    error = named_with_its_extra(ModuleNotFoundError(name="stemwright_client"), "client")
    assert "pip install 'stemwright-client[cli,mcp]'" in str(error)


def test_the_client_has_a_command_of_its_own(double: Double) -> None:
    """Without the platform; what is wrong is told as click does it."""
    told = subprocess.run(
        [sys.executable, "-m", "stemwright_client.cli", "balance"],
        env={**os.environ, "STEMWRIGHT_URL": double.url, "STEMWRIGHT_API_KEY": KEY},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "1000 credits\n"
