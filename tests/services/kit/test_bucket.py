"""Buckets as Amazon has them: where they lie, whose keys open them, what they throw away. Against moto's S3."""

import logging
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from services.cli import main
from services.kit import bucket
from services.kit.s3 import S3Storage
from services.kit.storage import BucketMissing, BucketReady
from tests.object_store import ObjectStore

pytestmark = pytest.mark.s3
ORIGIN = "https://songs.example.com"


@pytest.fixture(scope="module")
def amazon() -> Iterator[str]:
    """Address of a store that answers as Amazon's does."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def fresh(amazon: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> S3Storage:
    """A bucket of the test's own that nobody has made yet; its keys are what the SDK finds by itself."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "found-by-the-sdk")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "found-by-the-sdk")
    name = "b-" + "".join(letter for letter in request.node.name.lower() if letter.isalpha())[:40]
    return S3Storage(endpoint_url=amazon, region="eu-central-1", bucket=name)


def test_a_bucket_is_made_in_its_region(fresh: S3Storage) -> None:
    fresh.ensure_bucket()
    assert fresh.client.get_bucket_location(Bucket=fresh.bucket)["LocationConstraint"] == "eu-central-1"
    fresh.put_bytes("a", b"1", "text/plain")
    assert fresh.read_bytes("a", 1) == b"1"


def test_the_first_region_is_not_named(amazon: str, fresh: S3Storage) -> None:
    first = S3Storage(endpoint_url=amazon, region="us-east-1", bucket=fresh.bucket)
    first.ensure_bucket()
    first.ping()


def test_without_keys_the_sdk_finds_its_own(fresh: S3Storage) -> None:
    fresh.ensure_bucket()
    assert "found-by-the-sdk" in fresh.presign_get("a", 60)


def test_readiness_makes_no_bucket_where_it_may_not(fresh: S3Storage) -> None:
    check = BucketReady(fresh, may=False)
    for _ in range(2):
        with pytest.raises(BucketMissing, match=f"The bucket {fresh.bucket} is not there"):
            check()


def test_where_it_may_the_bucket_is_made_once_and_from_then_on_looked_for(fresh: S3Storage) -> None:
    check = BucketReady(fresh, may=True)
    check()
    fresh.ping()
    fresh.client.delete_bucket(Bucket=fresh.bucket)
    with pytest.raises(BucketMissing):
        check()


def test_a_bucket_gets_what_it_should_have_and_keeps_what_others_gave_it(fresh: S3Storage) -> None:
    assert [difference.what for difference in bucket.plan(fresh, [ORIGIN])] == [
        *("bucket", "lifecycle", "cors", "public access")
    ]
    fresh.ensure_bucket()
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 1}}
    rules = {"Rules": [theirs]}
    fresh.client.put_bucket_lifecycle_configuration(Bucket=fresh.bucket, LifecycleConfiguration=rules)  # type: ignore[arg-type]
    assert [difference.what for difference in bucket.apply(fresh, [ORIGIN])] == ["lifecycle", "cors", "public access"]
    kept = fresh.client.get_bucket_lifecycle_configuration(Bucket=fresh.bucket)["Rules"]
    assert {rule["ID"] for rule in kept} == {"theirs", *(rule["ID"] for rule in bucket.LIFECYCLE)}
    [cors] = fresh.client.get_bucket_cors(Bucket=fresh.bucket)["CORSRules"]
    assert (cors["AllowedOrigins"], cors.get("ExposeHeaders")) == ([ORIGIN], ["ETag"])
    assert bucket.plan(fresh, [ORIGIN]) == bucket.apply(fresh, [ORIGIN]) == []
    assert [difference.what for difference in bucket.plan(fresh, ["https://elsewhere.example"])] == ["cors"]


def test_songs_and_stems_are_never_thrown_away_by_a_rule() -> None:
    expiring = [rule["Filter"]["Prefix"] for rule in bucket.LIFECYCLE if "Expiration" in rule]
    assert expiring == ["incoming/"]


@pytest.fixture
def run(fresh: S3Storage, amazon: str, monkeypatch: pytest.MonkeyPatch) -> "Run":
    for name, value in {"S3_ENDPOINT_URL": amazon, "S3_BUCKET": fresh.bucket, "S3_REGION": "eu-central-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STEMWRIGHT_ACCOUNTS_PUBLIC_URL", f"{ORIGIN}/")
    return Run()


class Run:
    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["bucket", *arguments])


def test_the_command_prints_makes_and_finds_nothing_more_to_do(run: Run) -> None:
    planned = run("plan")
    assert planned.exit_code == 1
    assert planned.output.splitlines()[2] == f"cors: PUT and GET from {ORIGIN}"
    made = run("apply")
    assert (made.exit_code, made.output.splitlines()[-1]) == (0, "the bucket is up to date")
    again = run("plan")
    assert (again.exit_code, again.output) == (0, "the bucket is as it should be\n")


def test_a_store_without_rules_is_left_as_it_is(object_store: ObjectStore) -> None:
    """The local one."""
    storage = object_store.new_bucket()
    differences = bucket.apply(storage, [ORIGIN])
    assert [difference.what for difference in differences if difference.is_known] == []
    assert all(str(difference).endswith("this store has none") for difference in differences)
