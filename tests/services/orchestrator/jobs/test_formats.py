"""What the orchestrator refuses is what the engine would refuse."""

from typing import get_args

import pytest
from pydantic import ValidationError

from separation.audio.encode import check_format
from separation.errors import OutputFormatUnsuitable
from separation.settings import OutputFormat, OutputFormatName
from services.orchestrator.jobs.errors import OutputUnsuitable
from services.orchestrator.jobs.formats import check_output
from services.orchestrator.jobs.schemas import Output
from services.worker.engine import CONTENT_TYPES

NAMES: tuple[OutputFormatName, ...] = get_args(OutputFormatName)
RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 22_051, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000, 192_000)


def test_the_order_offers_what_the_engine_writes_and_the_worker_can_name() -> None:
    assert get_args(Output.model_fields["format"].annotation) == NAMES
    assert {f".{name}" for name in NAMES} <= set(CONTENT_TYPES)


@pytest.mark.parametrize("name", NAMES)
def test_bit_rates_and_depths_of_each_format_are_those_of_the_command_line(name: OutputFormatName) -> None:
    def refused_by_engine(depth: int | None, bit_rate: int | None) -> bool:
        try:
            OutputFormat(name, depth, bit_rate)
        except OutputFormatUnsuitable:
            return True
        return False

    def refused_at_the_order(depth: int | None, bit_rate: int | None) -> bool:
        try:
            Output.model_validate({"format": name, "bit_depth": depth, "bitrate_kbps": bit_rate})
        except ValidationError:
            return True
        return False

    for told in (*((depth, None) for depth in range(40)), *((None, rate) for rate in range(400)), (16, 128)):
        assert refused_at_the_order(*told) == refused_by_engine(*told), told


@pytest.mark.parametrize("name", NAMES)
def test_rates_and_channels_of_each_format(name: OutputFormatName) -> None:
    def refused_by_engine(rate: int, channels: int) -> bool:
        try:
            check_format(OutputFormat(name), rate, channels)
        except OutputFormatUnsuitable:
            return True
        return False

    def refused_at_the_order(rate: int, channels: int) -> bool:
        try:
            check_output(name, rate, channels)
        except OutputUnsuitable:
            return True
        return False

    for rate in RATES:
        for channels in range(1, 9):
            assert refused_at_the_order(rate, channels) == refused_by_engine(rate, channels), (rate, channels)
