"""A song to its stems, whatever happens in between."""

import hashlib
import itertools
from pathlib import Path

import pytest

from stemwright_client import (
    Client,
    ConnectionFailed,
    DownloadDamaged,
    InsufficientCredits,
    JobFailed,
    NotFound,
    Order,
    Progress,
    Stage,
    Unauthorized,
    UploadRejected,
)
from stemwright_client.flows.sending import Patience
from stemwright_client.record import FILE, read
from tests.clients.python.double import KEY, PART_BYTES, Double, Fault, named

JOB, UPLOAD = named("job", 1), named("upl", 1)


def test_a_song_becomes_its_stems(client: Client, double: Double, song: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    separation = client.separate(song, tmp_path / "out", on_progress=told.append)

    assert separation.folder == tmp_path / "out" / "my song"
    assert sorted(path.name for path in separation.folder.iterdir()) == ["instrumental.flac", FILE, "vocals.flac"]
    for stem in separation.job.stems:
        assert hashlib.sha256(separation.files[stem.name].read_bytes()).hexdigest() == stem.sha256
    assert [stage for stage in Stage if stage in {each.stage for each in told}] == list(Stage)
    sent = [each.fraction for each in told if each.stage is Stage.UPLOADING and each.fraction is not None]
    assert sent == sorted(sent)
    assert sent[-1] == 1
    assert {each.song for each in told} == {song}
    assert double.count("PUT /store/.*") == 4


def test_what_is_done_is_not_done_again(client: Client, double: Double, song: Path, tmp_path: Path) -> None:
    first = client.separate(song, tmp_path / "out")
    double.requests.clear()
    again = client.separate(song, tmp_path / "out")
    assert again.files == first.files
    assert double.requests == [f"GET /v1/jobs/{first.job.id}"]


def test_a_stem_that_is_gone_or_wrong_is_fetched_again(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    files = client.separate(song, tmp_path / "out").files
    right = files["vocals"].read_bytes()
    files["vocals"].write_bytes(b"?" * len(right))
    files["instrumental"].unlink()
    client.separate(song, tmp_path / "out")
    assert files["vocals"].read_bytes() == right
    assert files["instrumental"].exists()
    assert len(double.jobs) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST /v1/uploads", "lose"),
        Fault("POST /v1/uploads", "drop", times=3),
        Fault("PUT /store/.*", "drop", times=2),
        Fault("PUT /store/.*", 503),
        Fault(f"PUT /store/{UPLOAD}/3", 403),
        Fault("POST .*/complete", "lose"),
        Fault("POST .*/complete", 409, code="upload_incomplete"),
        Fault("POST /v1/jobs", "lose", times=2),
        Fault("POST /v1/jobs", 429, headers={"Retry-After": "0"}, code="rate_limited"),
        Fault("POST /v1/jobs", 409, headers={"Retry-After": "0"}, code="idempotency_in_progress"),
        Fault("GET .*/events", "drop"),
        Fault("GET .*/events", "cut"),
        Fault("GET .*/events", 503, times=10),
        Fault("GET .*/stems/vocals", 503),
        Fault(f"GET /store/{JOB}/vocals", "cut", times=2),
        Fault(f"GET /store/{JOB}/vocals", 500),
        Fault(f"GET /store/{JOB}/vocals", 403),
    ],
    ids=lambda fault: f"{fault.requests} {fault.what}",
)
def test_what_passes_by_itself_is_tried_again_and_paid_once(
    client: Client, double: Double, song: Path, tmp_path: Path, fault: Fault
) -> None:
    double.faults.append(fault)
    separation = client.separate(song, tmp_path / "out")
    assert set(separation.files) == {"vocals", "instrumental"}
    assert fault.times < 1 or fault.times > 5
    assert len(double.jobs) == len(double.uploads) == 1
    assert not list(separation.folder.glob(".*")), "something was left over"


def test_a_job_is_asked_about_where_streams_do_not_come_through(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    double.hold.clear()
    double.faults += [Fault("GET .*/events", "mute", times=100), Fault(f"GET /v1/jobs/{JOB}", 502)]
    waited: list[Progress] = []

    def ended_after_a_while(progress: Progress) -> None:
        waited.append(progress)
        if progress.stage is Stage.WAITING and len(waited) > 20:
            double.hold.set()

    client.separate(song, tmp_path / "out", on_progress=ended_after_a_while)
    assert double.count("GET .*/events") == 3
    assert double.count(f"GET /v1/jobs/{JOB}") > 5


def test_streams_may_be_cut_for_longer_than_patience_lasts(
    client: Client, double: Double, song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody in between ends every stream after a while, and the platform itself is always there."""
    seconds = itertools.count(step=200)
    monkeypatch.setattr("stemwright_client.flows.jobs.Patience", lambda _seconds: Patience(300, lambda: next(seconds)))
    double.hold.clear()
    double.faults.append(Fault("GET .*/events", "cut", times=4))

    def ended_by_the_fifth(_progress: Progress) -> None:
        if double.count("GET .*/events") == 5:
            double.hold.set()

    client.separate(song, tmp_path / "out", on_progress=ended_by_the_fifth)
    assert double.count("GET .*/events") == 5


def test_a_file_that_changes_while_it_is_sent_is_told(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    def shortened(progress: Progress) -> None:
        if progress.stage is Stage.UPLOADING:
            song.write_bytes(b"short")

    with pytest.raises(UploadRejected, match="became shorter") as told:
        client.separate(song, tmp_path / "out", on_progress=shortened)
    assert told.value.code == "file_changed"


def test_a_download_that_broke_off_goes_on_where_it_was(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    double.faults.append(Fault(f"GET /store/{JOB}/vocals", "cut"))
    client.separate(song, tmp_path / "out")
    half = len(double.stems[f"{JOB}/vocals"]) // 2
    assert double.asked[f"GET /store/{JOB}/vocals"]["range"] == f"bytes={half}-"


def test_an_upload_that_was_stopped_goes_on_with_the_parts_that_are_missing(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    double.faults.append(Fault(f"PUT /store/{UPLOAD}/3", 400, times=1))
    with pytest.raises(Exception, match="the object store answered 400"):
        client.separate(song, tmp_path / "out")
    assert {number for _, number in double.parts} == {1, 2}
    double.requests.clear()
    client.separate(song, tmp_path / "out")
    assert double.count("PUT /store/.*") == 2
    assert len(double.parts[UPLOAD, 4]) == song.stat().st_size - 3 * PART_BYTES


def test_a_job_that_failed_is_ordered_anew_by_the_next_run(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    double.end = lambda _job: "failed"
    with pytest.raises(JobFailed, match=r"It went wrong\.") as failed:
        client.separate(song, tmp_path / "out")
    assert failed.value.code == "separation_failed"
    double.end = lambda _job: "succeeded"
    assert client.separate(song, tmp_path / "out").job.id == named("job", 2)
    assert double.paid() == 3


def test_without_credits_nothing_is_ordered_and_with_credits_the_next_run_goes_on(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    double.credits = 2
    with pytest.raises(InsufficientCredits) as refused:
        client.separate(song, tmp_path / "out")
    assert refused.value.code == "insufficient_credits"
    double.credits = 3
    client.separate(song, tmp_path / "out")
    assert (double.credits, len(double.uploads)) == (0, 1)


def test_a_record_that_is_lost_costs_nothing_within_a_day(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    client.separate(song, tmp_path / "out")
    (tmp_path / "out" / "my song" / FILE).write_text("{")
    client.separate(song, tmp_path / "out")
    assert len(double.jobs) == 1


def test_an_order_whose_answer_was_lost_days_ago_is_found_among_the_jobs(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    client.separate(song, tmp_path / "out")
    path = tmp_path / "out" / "my song" / FILE
    record = read(path)
    assert record is not None
    text = record.changed(job_id=None, job=None).model_dump_json().replace(str(record.ordered_at.year), "2020")  # type: ignore[union-attr]
    path.write_text(text)
    double.answers.clear()
    assert client.separate(song, tmp_path / "out").job.id == JOB
    assert len(double.jobs) == 1


def test_another_order_of_the_same_song_is_another_job(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    client.separate(song, tmp_path / "out")
    other = client.separate(song, tmp_path / "out", Order(format="mp3", stems=("vocals",), metadata={"a": "b"}))
    assert [path.name for path in other.files.values()] == ["vocals.mp3"]
    assert (len(double.jobs), len(double.uploads)) == (2, 1)


def test_a_job_that_was_deleted_meanwhile_is_ordered_anew(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    client.separate(song, tmp_path / "out")
    del double.jobs[JOB]
    double.answers = {
        key: (body, 410, {"code": "job_deleted"}) if answer.get("id") == JOB else (body, status, answer)
        for key, (body, status, answer) in double.answers.items()
    }
    client.separate(song, tmp_path / "out")
    assert len(double.answers) == 3


def test_a_file_that_is_no_song_is_refused_with_the_platforms_code(
    client: Client, double: Double, tmp_path: Path
) -> None:
    (tmp_path / "text.mp3").write_bytes(b"no music at all")
    with pytest.raises(UploadRejected, match=r"This is no song\.") as rejected:
        client.separate(tmp_path / "text.mp3", tmp_path / "out")
    assert rejected.value.code == "audio_undecodable"
    assert not (tmp_path / "out" / "text").exists()
    assert double.jobs == {}


def test_an_empty_file_is_refused_before_anything_is_sent(client: Client, double: Double, tmp_path: Path) -> None:
    (tmp_path / "empty.mp3").touch()
    with pytest.raises(UploadRejected, match=r"^The file is empty\.$") as rejected:
        client.separate(tmp_path / "empty.mp3", tmp_path / "out")
    assert rejected.value.code == "audio_empty"
    assert double.requests == []


def test_a_stem_that_comes_otherwise_than_it_was_made_is_no_file(
    client: Client, double: Double, song: Path, tmp_path: Path
) -> None:
    job = client.separate(song, tmp_path / "out").job
    double.stems[f"{JOB}/vocals"] = double.stems[f"{JOB}/vocals"].swapcase()
    with pytest.raises(DownloadDamaged):
        client.download(job, tmp_path / "again")
    assert list((tmp_path / "again").iterdir()) == []


def test_nobody_answers_and_nobody_waits_for_ever(song: Path, tmp_path: Path) -> None:
    with Client(KEY, "http://127.0.0.1:9", patience_seconds=0) as client, pytest.raises(ConnectionFailed) as failed:
        client.separate(song, tmp_path / "out")
    assert failed.value.code == "connection_failed"


def test_what_is_no_platform_is_not_asked_for_ever(client: Client, double: Double, song: Path, tmp_path: Path) -> None:
    double.faults.append(Fault(".*", 404, times=100, code="route_not_found"))
    with pytest.raises(NotFound):
        client.separate(song, tmp_path / "out")
    assert len(double.requests) == 1


def test_an_upload_that_was_deleted_is_begun_anew(client: Client, double: Double, song: Path, tmp_path: Path) -> None:
    first = client.upload(song).id
    del double.uploads[first]
    double.parts.clear()
    double.uploads["placeholder"] = {}
    assert client.upload(song).id != first


def test_a_wrong_key_is_not_tried_again(double: Double, song: Path, tmp_path: Path) -> None:
    with Client("sk_wrong", double.url) as client, pytest.raises(Unauthorized) as refused:
        client.separate(song, tmp_path / "out")
    assert (refused.value.code, refused.value.request_id, len(double.requests)) == ("invalid_api_key", "req_1", 1)
    assert "sk_wrong" not in repr(client.connection)
