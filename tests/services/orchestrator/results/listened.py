"""A job that can be listened to, for tests of what is made of that."""

from collections.abc import Mapping

from services.kit.ids import new_id
from services.kit.object_keys import stems_prefix
from services.kit.playback import segment_key
from tests.segments import SEGMENT, Samples, segments
from tests.services.orchestrator.siblings import succeeded
from tests.services.orchestrator.world import World

WORKER = new_id("wrk")


def finished(world: World, account: str, tracks: Mapping[str, Samples], rate: int = SEGMENT) -> str:
    """A job of the account that has succeeded, with the segments of its tracks in the store; each is a second long,
    unless the rate is another."""
    job_id = world.running_job(WORKER, account)
    count = 0
    for number, segment in enumerate(segments(tracks, rate)):
        count = number + 1
        for name, flac in segment.items():
            world.storage.objects[segment_key(stems_prefix(job_id, 1), name, number)] = flac
    record = {
        "tracks": list(tracks),
        "segments": count,
        "segment_seconds": 1,
        "sample_rate_hz": rate,
        "channels": 2,
        "samples": len(tracks["mixture"]),
    }
    music = {"key": "F# minor", "camelot": "11A", "tempo_bpm": 123.6, "loudness_lufs": -9.0, "peak_dbfs": -1.0}
    world.hear(succeeded(WORKER, job_id, 1, playback=record, analysis=music))
    return job_id
