from services.local.client import StreamEvent, parse_events


def test_events_are_read_as_the_standard_says() -> None:
    stream = [
        ": a comment keeps the connection open",
        "event: status",
        "id: evt_1",
        'data: {"status":',
        'data: "queued"}',
        "",
        "event: progress",
        'data:{"fraction": 0.5}',
        "",
        "",
        "event: status",
        'data: {"cut": "off by the end of the stream"}',
    ]
    assert list(parse_events(stream)) == [
        StreamEvent("status", {"status": "queued"}, "evt_1"),
        StreamEvent("progress", {"fraction": 0.5}, None),
    ]
