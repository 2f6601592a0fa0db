"""Every error of the engine, each with a stable code and a sentence for a person.

::

    SeparationError                 separation_failed
    ├── AudioError                  audio_invalid               the song is at fault: a retry cannot help
    │   ├── EmptyFile               audio_empty
    │   ├── UnsupportedFormat       audio_unsupported_format
    │   ├── NoAudioStream           audio_no_audio_stream
    │   ├── UndecodableAudio        audio_undecodable
    │   ├── NoSamples               audio_no_samples
    │   ├── AudioTooLong            audio_too_long
    │   ├── UnsupportedRate         audio_unsupported_rate
    │   ├── UnsupportedChannels     audio_unsupported_channels
    │   ├── AudioChangesFormat      audio_changes_format
    │   └── AudioTooComplex         audio_too_complex
    ├── RequestError                request_invalid             the wish is at fault; a ``ValueError``, too
    │   ├── ArgumentInvalid         argument_invalid            of a type that means nothing here; a ``TypeError``, too
    │   ├── SettingsInvalid         settings_invalid
    │   ├── UnknownStem             stem_unknown
    │   ├── WindowOutsideAudio      window_outside_audio
    │   ├── OutputFormatUnsuitable  output_format_unsuitable
    │   ├── ExceedsFullScale        audio_exceeds_full_scale    the song, in a format that ends there
    │   ├── OutputReplacesInput     output_replaces_input
    │   └── OutputNamesClash        output_names_clash          two files would have one name
    ├── ModelError                  model_invalid
    │   ├── ModelNotFound           model_not_found
    │   ├── ModelDigestMismatch     model_digest_mismatch
    │   ├── ModelSourceUnavailable  model_source_unavailable
    │   ├── ModelAnswerInvalid      model_answer_invalid
    │   └── RuntimeMissing          runtime_missing             nothing that runs networks is installed
    ├── StemsDoNotNull              stems_do_not_null           a fault of ours; the stems are thrown away
    ├── OutputWriteFailed           output_write_failed         full disk, no permission
    ├── ReportUnavailable           report_unavailable          nothing to draw with is installed
    └── Cancelled                   cancelled                   ``should_cancel`` said so

``code`` never changes once published: clients and partners switch on it.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar


class SeparationError(Exception):
    """Root of the tree; ``str(error)`` is one sentence that a person understands."""

    code: ClassVar[str] = "separation_failed"


class AudioError(SeparationError):
    """The input file cannot be separated; the same file will fail again."""

    code = "audio_invalid"


class EmptyFile(AudioError):
    """The file has no bytes."""

    code = "audio_empty"


class UnsupportedFormat(AudioError):
    """The first bytes name no container on the allow-list."""

    code = "audio_unsupported_format"


class NoAudioStream(AudioError):
    """The container holds no audio stream, only video, pictures or subtitles."""

    code = "audio_no_audio_stream"


class UndecodableAudio(AudioError):
    """The container or the codec's data is damaged, cut off before any sound, or encrypted."""

    code = "audio_undecodable"


class NoSamples(AudioError):
    """The file decodes without complaint to nothing."""

    code = "audio_no_samples"


class AudioTooLong(AudioError):
    """More decoded audio than the limit allows, whatever the header says."""

    code = "audio_too_long"


class UnsupportedRate(AudioError):
    """The sample rate is outside the supported range."""

    code = "audio_unsupported_rate"


class UnsupportedChannels(AudioError):
    """No channels, or more than are supported."""

    code = "audio_unsupported_channels"


class AudioChangesFormat(AudioError):
    """Rate or channel count changes in the middle of the stream."""

    code = "audio_changes_format"


class AudioTooComplex(AudioError):
    """More tracks, entries of tables or parts than any song has: reading them would cost more than the song."""

    code = "audio_too_complex"


class RequestError(SeparationError, ValueError):
    """What was asked for cannot be made from this input."""

    code = "request_invalid"


class ArgumentInvalid(RequestError, TypeError):
    """An argument of the library that is of no type, shape or range that it takes."""

    code = "argument_invalid"


class SettingsInvalid(RequestError):
    """A field of ``SeparationSettings`` that means nothing, or not for this model."""

    code = "settings_invalid"


class UnknownStem(RequestError):
    """A stem name that the engine does not make."""

    code = "stem_unknown"


class WindowOutsideAudio(RequestError):
    """The preview window is empty or begins after the end of the song."""

    code = "window_outside_audio"


class OutputFormatUnsuitable(RequestError):
    """The output format cannot hold the input's rate or channel count, or is not known."""

    code = "output_format_unsuitable"


class ExceedsFullScale(RequestError):
    """The song goes so far beyond full scale that its stems, in this format, would not sum to it."""

    code = "audio_exceeds_full_scale"


class OutputReplacesInput(RequestError):
    """One of the stems would take the place of the song itself."""

    code = "output_replaces_input"


class OutputNamesClash(RequestError):
    """Two of the files that were asked for would have the same name."""

    code = "output_names_clash"


class ModelError(SeparationError):
    """The model's files are damaged or do not fit the engine."""

    code = "model_invalid"


class ModelNotFound(ModelError):
    """No model of that name in the repository."""

    code = "model_not_found"


class ModelDigestMismatch(ModelError):
    """The model file is not the one its manifest describes."""

    code = "model_digest_mismatch"


class ModelSourceUnavailable(ModelError):
    """The weights could not be fetched: offline, or not the pinned file."""

    code = "model_source_unavailable"


class ModelAnswerInvalid(ModelError):
    """The network answered with a wrong shape or with numbers that are not finite."""

    code = "model_answer_invalid"


class RuntimeMissing(ModelError):
    """Nothing is installed that can compute on the hardware that was asked for, or that there is."""

    code = "runtime_missing"


class StemsDoNotNull(SeparationError):
    """The sum of the stems is not the song."""

    code = "stems_do_not_null"


class OutputWriteFailed(SeparationError):
    """The results could not be written."""

    code = "output_write_failed"


class ReportUnavailable(SeparationError):
    """Pictures need Matplotlib, which is an extra of the distribution."""

    code = "report_unavailable"


class Cancelled(SeparationError):
    """The caller asked to stop; nothing was left behind."""

    code = "cancelled"

    def __init__(self) -> None:
        super().__init__("The separation was cancelled.")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """`` Did you mean ...?`` with the nearest of the choices; empty where none is near."""
    by_fold = {choice.casefold(): choice for choice in choices}
    near = get_close_matches(word.casefold(), by_fold, n=1)
    return f" Did you mean {by_fold[near[0]]}?" if near else ""
