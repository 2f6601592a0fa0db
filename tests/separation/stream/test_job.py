"""``separate_file`` from a file to a folder of stems, with a stand-in for the network."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from separation.audio.decode import AudioLimits
from separation.errors import (
    AudioTooLong,
    Cancelled,
    ModelAnswerInvalid,
    OutputFormatUnsuitable,
    OutputWriteFailed,
    SeparationError,
    UnknownStem,
    UnsupportedFormat,
    WindowOutsideAudio,
)
from separation.machine.hashing import sha256_of
from separation.manifest import Manifest
from separation.settings import OutputFormat, SeparationSettings, Window
from separation.stream.job import Progress, separate_file
from separation.stream.pipeline import WindowPlan, separate_stream
from tests.separation.conftest import EnergyModel
from tests.separation.signals import Samples, music, read, to_16_bit, write_encoded, write_wav

FLOAT_WAV = OutputFormat("wav", 32)
EVERYTHING = ("vocals", "instrumental", "mixture")


@dataclass(frozen=True)
class Separated:
    """The song of these tests and all that there was to see of its separation."""

    folder: Path
    manifest: Manifest
    model: EnergyModel
    progress: Sequence[Progress]


@pytest.fixture(scope="module")
def separated(song: Path, tmp_path_factory: pytest.TempPathFactory) -> Separated:
    folder, model, seen = tmp_path_factory.mktemp("separated"), EnergyModel(), list[Progress]()
    manifest = separate_file(song, folder, model=model, stems=EVERYTHING, on_progress=seen.append)
    return Separated(folder, manifest, model, seen)


def _stems(folder: Path, extension: str = "wav") -> tuple[Samples, Samples]:
    return read(folder / f"vocals.{extension}"), read(folder / f"instrumental.{extension}")


@pytest.mark.parametrize(
    ("rate", "channels", "seconds"),
    [
        (44100, 2, 14.3),
        (48000, 1, 13.1),
        (48000, 2, 2.0),
        (96000, 2, 3.0),
        (192000, 1, 1.2),
        (8000, 2, 13.0),
        (22051, 1, 2.0),
        (48000, 6, 3.0),
        (44100, 8, 1.0),
    ],
)
def test_stems_keep_rate_channels_and_length_and_sum_exactly(
    tmp_path: Path, energy_model: EnergyModel, rate: int, channels: int, seconds: float
) -> None:
    samples = to_16_bit(music(seconds, rate, channels))[:-1]
    source = write_wav(tmp_path / "song.wav", samples, rate=rate)
    manifest = separate_file(source, tmp_path / "out", model=energy_model, output=FLOAT_WAV)
    vocals, instrumental = _stems(tmp_path / "out")
    assert vocals.shape == instrumental.shape == samples.shape
    assert np.array_equal(vocals + instrumental, samples)
    assert manifest.quality.null_residual_dbfs is None
    for stem in manifest.stems:
        assert (stem.sample_rate_hz, stem.channels, stem.samples) == (rate, channels, len(samples))
    energies = np.square(vocals).mean(axis=0)
    voiced = np.arange(channels) != 3 if channels > 2 else np.ones(channels, bool)
    assert (energies[voiced] > 1e-5).all()
    assert (energies[~voiced] == 0).all()  # the LFE goes to the instrumental whole


@pytest.mark.parametrize(("name", "bits"), [("flac", 16), ("flac", 24), ("wav", 16), ("wav", 24)])
def test_integer_stems_of_a_lossy_song_sum_within_one_step(
    tmp_path: Path, energy_model: EnergyModel, name: str, bits: int
) -> None:
    source = write_encoded(tmp_path / "song.mp3", 2 * music(3), 44100, "mp3", "libmp3lame")
    mixture = read(source)
    output = OutputFormat(name, bits)  # type: ignore[arg-type]
    manifest = separate_file(source, tmp_path / "out", model=energy_model, output=output, stems=EVERYTHING)
    vocals, instrumental = _stems(tmp_path / "out", name)
    assert vocals.shape == mixture.shape
    assert np.abs(vocals.astype(np.float64) + instrumental - mixture).max() <= 2.0 ** (1 - bits)
    residual = manifest.quality.null_residual_dbfs
    assert residual is not None
    assert residual < (-96 if bits == 16 else -140)
    step = 2.0 ** (1 - bits)
    assert np.abs(read(tmp_path / "out" / f"mixture.{name}") - np.clip(mixture, -1, 1 - step)).max() <= step


@pytest.mark.parametrize("bitrate", [None, 192])
def test_mp3_stems_have_the_songs_length(tmp_path: Path, energy_model: EnergyModel, bitrate: int | None) -> None:
    source = write_wav(tmp_path / "song.wav", music(3)[:-77])
    manifest = separate_file(source, tmp_path / "out", model=energy_model, output=OutputFormat("mp3", None, bitrate))
    vocals, instrumental = _stems(tmp_path / "out", "mp3")
    assert len(vocals) == len(instrumental) == 3 * 44100 - 77
    assert np.abs(vocals + instrumental - read(source)).std() < 0.05
    assert manifest.quality.null_measured == "before_encoding"
    assert {stem.bit_depth for stem in manifest.stems} == {None}


def test_mp3_refuses_what_it_cannot_hold(tmp_path: Path, energy_model: EnergyModel) -> None:
    for rate, channels in [(96000, 2), (48000, 6)]:
        source = write_wav(tmp_path / "song.wav", music(0.2, rate, channels), rate=rate)
        with pytest.raises(OutputFormatUnsuitable, match="choose FLAC or WAV"):
            separate_file(source, tmp_path / "out", model=energy_model, output=OutputFormat("mp3"))


def test_manifest_describes_the_files(separated: Separated, song: Path) -> None:
    out, manifest = separated.folder, separated.manifest
    assert sorted(path.name for path in out.iterdir()) == [
        "instrumental.flac",
        "manifest.json",
        "mixture.flac",
        "vocals.flac",
        "waveforms.json",
    ]
    assert Manifest.from_json((out / "manifest.json").read_text()) == manifest
    assert manifest.input.sha256 == sha256_of(song)
    assert (manifest.input.samples, manifest.input.codec, manifest.input.container) == (26 * 44100, "pcm_s16le", "wav")
    for stem in manifest.stems:
        path = out / stem.file
        assert (stem.size_bytes, stem.sha256) == (path.stat().st_size, sha256_of(path))
        samples = read(path)
        assert stem.peak_dbfs == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=0.01)
        assert stem.loudness_lufs is not None
        assert stem.duration_seconds == 26
        assert not stem.silent
    assert manifest.waveforms.sha256 == sha256_of(out / "waveforms.json")
    assert manifest.timings_seconds["total"] > 0


def test_waveforms_follow_the_samples(tmp_path: Path, energy_model: EnergyModel, song: Path) -> None:
    separate_file(song, tmp_path / "out", model=energy_model, stems=["vocals"])
    document = json.loads((tmp_path / "out" / "waveforms.json").read_text())
    assert set(document["tracks"]) == {"mixture", "vocals", "instrumental"}
    assert (document["sample_rate_hz"], document["duration_seconds"]) == (44100, 26)
    step, track = document["samples_per_peak"], document["tracks"]["mixture"]
    samples = read(song)
    assert len(track) == 2 * -(-len(samples) // step) <= 4096
    for peak in (0, 7, len(track) // 2 - 1):
        stretch = samples[peak * step : (peak + 1) * step]
        assert track[2 * peak : 2 * peak + 2] == pytest.approx([stretch.min(), stretch.max()], abs=1e-4)


WINDOWS = [Window(0, 1.3), Window(1.2, 2.5), Window(10.9, 13.0), Window(20, 26), Window(25.9, 99)]


@pytest.mark.parametrize(("kind", "rate"), [("wav", 44100), ("wav", 48000), ("flac", 44100), ("mp3", 44100)])
def test_a_preview_is_that_window_of_the_whole_to_the_bit(
    tmp_path: Path, energy_model: EnergyModel, kind: str, rate: int
) -> None:
    codec = {"wav": "pcm_f32le", "flac": "flac", "mp3": "libmp3lame"}[kind]
    source = write_encoded(tmp_path / "song", music(26, rate), rate, kind, codec)
    separate_file(source, tmp_path / "whole", model=energy_model, output=FLOAT_WAV)
    whole = read(tmp_path / "whole" / "vocals.wav")
    for window in WINDOWS:
        manifest = separate_file(source, tmp_path / "part", model=energy_model, output=FLOAT_WAV, window=window)
        begin, end = round(window.start_seconds * rate), min(round(window.end_seconds * rate), len(whole))
        assert (manifest.window.start_sample, manifest.window.end_sample) == (begin, end)
        assert np.array_equal(read(tmp_path / "part" / "vocals.wav"), whole[begin:end])


def test_a_preview_of_a_whole_file_does_not_call_it_damaged(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(10), times=6)
    preview = separate_file(source, tmp_path / "part", model=energy_model, window=Window(1, 2))
    assert preview.input.samples < 60 * 44100
    assert preview.input.complete


def test_a_preview_asks_for_no_more_patches_than_it_needs(
    tmp_path: Path, energy_model: EnergyModel, song: Path, separated: Separated
) -> None:
    separate_file(song, tmp_path / "part", model=energy_model, window=Window(1, 2))
    assert separated.model.patches == 3 * energy_model.patches


@pytest.mark.parametrize("window", [Window(30, 31), Window(26, 27), Window(5, 5.000001)])
def test_windows_without_audio_are_refused(
    tmp_path: Path, energy_model: EnergyModel, song: Path, window: Window
) -> None:
    with pytest.raises(WindowOutsideAudio):
        separate_file(song, tmp_path / "out", model=energy_model, window=window)
    assert not (tmp_path / "out").exists()


def test_no_seam_at_patch_borders(tmp_path: Path) -> None:
    """A steady sound through a network that answers differently at a patch's edges: the cross-fade hides it."""

    class EdgyModel(EnergyModel):
        def fractions(self, magnitudes: Samples) -> Samples:
            edge = np.minimum(np.arange(512), np.arange(512)[::-1])
            wrong = (0.5 + 0.4 * np.exp(-edge / 8)).astype(np.float32)
            vocals = np.broadcast_to(wrong[None, None, :, None], magnitudes.shape)
            return np.stack([vocals, 1 - vocals], axis=1)

    noise = np.random.default_rng(0).standard_normal((36 * 44100, 1), np.float32)
    source = write_wav(tmp_path / "song.wav", np.float32(0.2) * noise)
    levels = {}
    for name, settings in (("default", SeparationSettings()), ("without", SeparationSettings(context_frames=0))):
        separate_file(source, tmp_path / name, model=EdgyModel(), output=FLOAT_WAV, settings=settings)
        vocals = read(tmp_path / name / "vocals.wav")[: 34 * 44100]
        levels[name] = np.sqrt(np.square(vocals[: len(vocals) // 8192 * 8192]).reshape(-1, 8192).mean(axis=1))[8:]
    spread = {name: level.max() / np.median(level) for name, level in levels.items()}
    assert spread["without"] > 1.2
    assert spread["default"] < 1.1


def test_the_same_song_gives_the_same_bytes(
    tmp_path: Path, energy_model: EnergyModel, song: Path, separated: Separated
) -> None:
    before, again = separated.manifest, separate_file(song, tmp_path, model=energy_model, stems=EVERYTHING)
    assert [stem.sha256 for stem in before.stems] == [stem.sha256 for stem in again.stems]
    assert before.waveforms == again.waveforms


@pytest.mark.parametrize("length", [1, 2, 1000, 4096])
@pytest.mark.parametrize("rate", [44100, 48000, 8000])
def test_very_short_songs(tmp_path: Path, energy_model: EnergyModel, length: int, rate: int) -> None:
    samples = to_16_bit(music(1, rate))[:length]
    source = write_wav(tmp_path / "song.wav", samples, rate=rate)
    separate_file(source, tmp_path / "out", model=energy_model, output=FLOAT_WAV)
    vocals, instrumental = _stems(tmp_path / "out")
    assert np.array_equal(vocals + instrumental, samples)


def test_silence_stays_silent(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", np.zeros((44100, 2), np.float32))
    manifest = separate_file(source, tmp_path / "out", model=energy_model)
    for stem in manifest.stems:
        assert stem.silent
        assert stem.peak_dbfs is None
        assert stem.loudness_lufs is None
    assert not read(tmp_path / "out" / "vocals.flac").any()


def test_samples_that_are_not_numbers_give_finite_stems(tmp_path: Path, energy_model: EnergyModel) -> None:
    samples = music(1)
    samples[1000], samples[2000], samples[3000] = np.nan, np.inf, 1e38
    manifest = separate_file(
        write_wav(tmp_path / "song.wav", samples, bits=32), tmp_path / "out", model=energy_model, output=FLOAT_WAV
    )
    assert manifest.input.repaired_samples == 6
    for stem in _stems(tmp_path / "out"):
        assert np.isfinite(stem).all()


def test_full_scale_square_wave_is_reported_not_hidden(tmp_path: Path, energy_model: EnergyModel) -> None:
    square = np.where(np.arange(88200) % 100 < 50, 1.0, -1.0).astype(np.float32)[:, None]
    source = write_wav(tmp_path / "song.wav", square)
    manifest = separate_file(source, tmp_path / "out", model=energy_model)
    vocals, instrumental = _stems(tmp_path / "out", "flac")
    assert np.array_equal(vocals + instrumental, read(source))
    assert any(stem.exceeds_full_scale == (stem.limited_samples > 0) for stem in manifest.stems)


def _leftovers(folder: Path) -> Sequence[Path]:
    return list(folder.rglob("*")) if folder.exists() else []


def test_cancelling_stops_between_patches_and_leaves_nothing(
    tmp_path: Path, energy_model: EnergyModel, song: Path
) -> None:
    asked = 0

    def should_cancel() -> bool:
        nonlocal asked
        asked += 1
        return energy_model.patches >= 1

    with pytest.raises(Cancelled):
        separate_file(song, tmp_path / "out", model=energy_model, should_cancel=should_cancel)
    assert asked > 2
    assert energy_model.patches == 1 + len(SeparationSettings().transpositions)  # all looks at the first patch
    assert energy_model.rests == 1
    assert not _leftovers(tmp_path / "out")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interruptions_leave_nothing(
    tmp_path: Path, energy_model: EnergyModel, song: Path, error: type[BaseException]
) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.fraction > 0.3:
            raise error

    with pytest.raises(error):
        separate_file(song, tmp_path / "out", model=energy_model, on_progress=interrupt)
    assert not _leftovers(tmp_path / "out")


def test_what_was_there_before_stays_after_a_failure(tmp_path: Path, energy_model: EnergyModel, song: Path) -> None:
    out = tmp_path / "out"
    before = separate_file(song, out, model=energy_model)
    with pytest.raises(Cancelled):
        separate_file(song, out, model=energy_model, should_cancel=lambda: True)
    for stem in before.stems:
        assert sha256_of(out / stem.file) == stem.sha256


def test_errors_of_song_and_wish(tmp_path: Path, energy_model: EnergyModel, song: Path) -> None:
    text = tmp_path / "song.mp3"
    text.write_text("not a song")
    with pytest.raises(UnsupportedFormat):
        separate_file(text, tmp_path / "out", model=energy_model)
    with pytest.raises(AudioTooLong):
        separate_file(song, tmp_path / "out", model=energy_model, limits=AudioLimits(max_duration_seconds=20))
    with pytest.raises(UnknownStem, match="'drums'"):
        separate_file(song, tmp_path / "out", model=energy_model, stems=["vocals", "drums"])
    with pytest.raises(UnknownStem):
        separate_file(song, tmp_path / "out", model=energy_model, stems=[])
    with pytest.raises(FileNotFoundError):
        separate_file(tmp_path / "none.wav", tmp_path / "out", model=energy_model)
    assert not _leftovers(tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_an_error_with_a_code(
    tmp_path: Path, energy_model: EnergyModel, song: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputWriteFailed) as caught:
        separate_file(song, tmp_path / "file" / "out", model=energy_model)
    assert caught.value.code == "output_write_failed"


def test_a_full_disk_is_an_error_with_a_code(tmp_path: Path, energy_model: EnergyModel, song: Path) -> None:
    import resource
    import signal

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(OutputWriteFailed):
            separate_file(song, tmp_path / "out", model=energy_model)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert not _leftovers(tmp_path / "out")


def test_a_network_that_answers_nonsense_ends_the_song(tmp_path: Path, song: Path) -> None:
    from separation.models.runtimes.answers import checked

    class Nonsense(EnergyModel):
        def fractions(self, magnitudes: Samples) -> Samples:
            answer = super().fractions(magnitudes)
            answer[0, 0, 0, 0, 0] = np.nan
            return checked(answer, magnitudes, self.manifest)

    with pytest.raises(ModelAnswerInvalid):
        separate_file(song, tmp_path / "out", model=Nonsense())
    assert not _leftovers(tmp_path / "out")


def test_progress_rises_to_one(tmp_path: Path, energy_model: EnergyModel, song: Path, separated: Separated) -> None:
    part: list[Progress] = []
    separate_file(song, tmp_path / "out", model=energy_model, window=Window(2, 20), on_progress=part.append)
    for seen in (separated.progress, part):
        fractions = [progress.fraction for progress in seen]
        assert fractions == sorted(fractions)
        assert (fractions[0], fractions[-1]) == (0, 1)
        assert len(set(fractions)) >= 5
        assert [progress.stage for progress in (seen[0], seen[-1])] == ["preparing", "finishing"]


def test_stems_are_written_long_before_the_song_is_read(tmp_path: Path, energy_model: EnergyModel) -> None:
    source = write_wav(tmp_path / "song.wav", music(10, channels=1), times=6)
    written_at: list[float] = []

    def look(progress: Progress) -> None:
        if any(stem.stat().st_size > 100_000 for stem in (tmp_path / "out").glob(".partial-*/vocals.flac")):
            written_at.append(progress.fraction)

    separate_file(source, tmp_path / "out", model=energy_model, on_progress=look)
    assert written_at[0] < 0.7


def test_every_error_has_a_code_of_its_own() -> None:
    kinds: list[type[SeparationError]] = [SeparationError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    codes = [kind.code for kind in kinds]
    assert len(codes) == len(set(codes))


# Around where the last patch changes its number, and where a song begins to fill a patch.
@pytest.mark.parametrize("frames", [5, 384, 385, 511, 512, 513, 865, 960])
def test_the_end_of_a_song_of_any_length_is_the_same_in_a_window_to_the_bit(frames: int) -> None:
    samples = (frames - 3) * 1024 + 1
    song = np.random.default_rng(frames).standard_normal((samples, 2)).astype(np.float32)

    def vocals(begin: int, end: int | None) -> Samples:
        settings = SeparationSettings(transpositions=())
        plan = WindowPlan(
            *(EnergyModel.manifest, settings), sample_rate_hz=44100, channel_names=("FL", "FR"), begin=begin, end=end
        )
        heard = song[plan.first_input :]
        written: list[Samples] = []
        blocks = (heard[at : at + 66150] for at in range(0, len(heard), 66150))
        separate_stream(plan, EnergyModel(), blocks, written.append)
        return np.concatenate(written)

    whole = vocals(0, None)
    assert whole.shape == song.shape
    for begin, end in ((samples - 1500, samples), (samples // 2, samples - 700), (samples - 1500, samples + 9999)):
        assert np.array_equal(vocals(begin, end), whole[begin : min(end, samples)])
