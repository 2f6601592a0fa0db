"""The platform on a PostgreSQL, a broker and an object store that others run, each named by its setting."""

import uuid
from pathlib import Path

from services.local.client import Client
from services.local.platform import Platform
from services.local.settings import LocalSettings
from services.local.sockets import LOOPBACK, free_port
from tests.broker import running_broker
from tests.e2e.conftest import ENVIRONMENT
from tests.e2e.songs import music, write_wav_16
from tests.object_store import ACCESS_KEY_ID, SECRET_ACCESS_KEY, running_object_store


def test_a_song_goes_through_parts_that_are_replaced_by_settings(postgres_server: str, tmp_path: Path) -> None:
    song = write_wav_16(tmp_path / "song.wav", music(8))
    with running_broker() as broker, running_object_store(tmp_path / "store") as store:
        settings = LocalSettings(
            home=tmp_path / "home",
            gateway_port=free_port(LOOPBACK),
            workers=1,
            database_url=postgres_server.replace("{database}", "postgres"),
            kafka_bootstrap_servers=broker.bootstrap,
            s3_endpoint_url=store.endpoint_url,
            s3_bucket="a-bucket-to-be-made",
        )
        keys = {"S3_ACCESS_KEY_ID": ACCESS_KEY_ID, "S3_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}
        with Platform(settings, environment={**ENVIRONMENT, **keys}) as platform:
            platform.wait_until_ready()
            ours = {status.name for status in platform.statuses() if status.pid is not None}
            assert ours.isdisjoint({"broker", "object-store"})
            with Client(platform.gateway_url) as client:
                client.register(f"{uuid.uuid4().hex}@example.com", "a long enough password")
                upload = client.upload(song)
                assert upload["status"] == "ready", upload
                job = client.wait_for_job(client.create_job(upload["id"])["id"])
                assert job["status"] == "succeeded", job
                client.download(f"/v1/jobs/{job['id']}/stems/vocals", tmp_path / "vocals.flac")
    assert (tmp_path / "vocals.flac").stat().st_size == job["stems"][0]["size_bytes"]
