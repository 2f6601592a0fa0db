"""Times and proofs as people read them."""

from separation.manifest import Manifest, QualityRecord


def clock(seconds: float, digits: int = 0) -> str:
    """``3:20``, ``1:02:03``; with ``digits`` after the point, ``0:09.5``."""
    minutes, rest = divmod(round(seconds, digits), 60)
    hours, minutes = divmod(int(minutes), 60)
    rest_width = 3 + digits if digits else 2
    head = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{head}:{rest:0{rest_width}.{digits}f}"


def place_in_song(seconds: float) -> str:
    """``1:00``, and ``0:00.5`` where it is no whole second."""
    return clock(seconds) if abs(seconds - round(seconds)) < 0.005 else clock(seconds, 2).removesuffix("0")


def duration(seconds: float) -> str:
    """``9.5 s``, from a minute on ``3:20``."""
    tenths = round(seconds, 1)
    return f"{tenths:.1f} s" if tenths < 60 else clock(seconds)


def pace(audio_seconds: float, seconds: float) -> str:
    """``20x real time``."""
    speed = audio_seconds / seconds
    return f"{speed:.{0 if speed >= 10 else 1}f}x real time"


def sum_in_words(manifest: Manifest) -> str:
    """``vocals + instrumental = the song, exactly``; or how nearly, and of what."""
    stem, quality = manifest.stems[0], manifest.quality
    whole = "the song" if manifest.window.whole_song else "the song there"
    if quality.gain_db:
        whole += f" at {quality.gain_db:.1f} dB"
    if quality.null_measured == "before_encoding":
        near = f"before its encoding as {stem.format.upper()}"
    elif quality.null_residual_dbfs is None:
        near = "exactly"
    elif stem.bit_depth in (16, 24):
        near = f"to the last of {stem.bit_depth} bits"
    else:
        near = "to the last bit"
    return f"vocals + instrumental = {whole}, {near}"


def null_test(quality: QualityRecord) -> str:
    """``stems minus song -101.3 dBFS``, or exactly zero; and where that was measured if not in the files."""
    residual = quality.null_residual_dbfs
    size = "exactly zero" if residual is None else f"{residual:.1f} dBFS"
    return f"stems minus song {size}{' before encoding' if quality.null_measured == 'before_encoding' else ''}"
