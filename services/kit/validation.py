"""What is wrong with a request or a setting, in our own words: a sentence for every kind of error that pydantic tells.

None repeats what the client sent, which may be a password.
"""

from collections.abc import Mapping
from typing import Any

MAX_BODY_BYTES = 256 * 1024
"""Largest body of a request that a service reads whole, whoever asks."""
MAX_NAME_CHARACTERS = 100
"""Of each name that is told back: a client may have made it up."""
MAX_CHARACTERS = 500

_MEANINGS: dict[str, str] = {}


def form(pattern: str, meaning: str) -> str:
    """The pattern, from now on refused in these words instead of by showing a regular expression."""
    _MEANINGS[pattern] = meaning
    return pattern


def meaning_of(pattern: str) -> str | None:
    """What a text of this form is, where `form` was told."""
    return _MEANINGS.get(pattern)


_TEXT, _NUMBER, _WHOLE, _LIST, _OBJECT = (
    "must be text",
    "must be a number",
    "must be a whole number",
    "must be a list",
    "must be an object",
)
_TIME = "must be a time such as 2026-11-28T12:00:00Z"
_UNREADABLE = "cannot be read"
_UNKNOWN = "is not valid"

SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "missing_argument": "is missing",
    "missing_keyword_only_argument": "is missing",
    "missing_positional_only_argument": "is missing",
    "extra_forbidden": "is not known here",
    "unexpected_keyword_argument": "is not known here",
    "unexpected_positional_argument": "is not known here",
    "multiple_argument_values": "was given twice",
    "json_invalid": "is not JSON",
    "json_type": "is not JSON",
    "none_required": "must be null",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "finite_number": "must be a finite number",
    "too_short": "must have at least {min_length} of them",
    "too_long": "must have at most {max_length} of them",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
    "string_not_ascii": "must be plain ASCII text",
    "string_unicode": "must be text in UTF-8",
    "bytes_too_short": "must have {min_length} or more bytes",
    "bytes_too_long": "must have {max_length} or fewer bytes",
    "bytes_invalid_encoding": _UNREADABLE,
    "invalid_key": "must have names that are text",
    "set_item_not_hashable": "must hold single values",
    "int_from_float": "must be a whole number, without a fraction",
    "int_parsing_size": "is too large a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "date_past": "must lie in the past",
    "datetime_past": "must lie in the past",
    "date_future": "must lie in the future",
    "datetime_future": "must lie in the future",
    "timezone_naive": "must have no time zone",
    "timezone_aware": "must have a time zone, such as Z",
    "timezone_offset": "has the wrong time zone",
    "url_too_long": "must have {max_length} or fewer characters",
    "decimal_max_digits": "has too many digits",
    "decimal_max_places": "has too many decimal places",
    "decimal_whole_digits": "has too many digits before the point",
    "recursion_depth_exceeded": "is nested too deeply",
    "recursion_loop": "is nested too deeply",
    **dict.fromkeys(("string_type", "string_sub_type", "bytes_type"), _TEXT),
    **dict.fromkeys(("int_type", "int_parsing"), _WHOLE),
    **dict.fromkeys(
        (
            *("float_type", "float_parsing", "decimal_type", "decimal_parsing", "fraction_type", "fraction_parsing"),
            *("complex_type", "complex_str_parsing"),
        ),
        _NUMBER,
    ),
    **dict.fromkeys(
        ("list_type", "tuple_type", "set_type", "frozen_set_type", "deque_type", "iterable_type", "iteration_error"),
        _LIST,
    ),
    **dict.fromkeys(
        (
            *("model_type", "model_attributes_type", "dataclass_type", "dataclass_exact_type", "named_tuple_type"),
            *("dict_type", "frozen_dict_type", "ordered_dict_type", "counter_type", "mapping_type", "arguments_type"),
        ),
        _OBJECT,
    ),
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        "must be a date such as 2026-11-28",
    ),
    **dict.fromkeys(("time_type", "time_parsing"), "must be a time of day such as 12:00:00"),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_object_invalid", "datetime_from_date_parsing"), _TIME
    ),
    **dict.fromkeys(("time_delta_type", "time_delta_parsing"), "must be a length of time"),
    **dict.fromkeys(
        ("url_type", "url_parsing", "url_syntax_violation", "url_scheme"),
        "must be an address such as https://a.example",
    ),
    **dict.fromkeys(("uuid_type", "uuid_parsing", "uuid_version"), "must be a UUID"),
    **dict.fromkeys(("union_tag_invalid", "union_tag_not_found"), "is of no kind that is known here"),
    # What no client can bring about: rules about Python objects.
    **dict.fromkeys(
        (
            *("no_such_attribute", "needs_python_object", "frozen_field", "frozen_instance", "get_attribute_error"),
            *("default_factory_not_called", "is_instance_of", "is_subclass_of", "callable_type"),
            *("missing_sentinel_error", "ellipsis_error"),
        ),
        _UNKNOWN,
    ),
}


def sentence(error: Mapping[str, Any]) -> str:
    """What is wrong, as it follows the name of the field: `must be at least 1`. `error` is one of pydantic's."""
    return _sentence(error["type"], error.get("ctx") or {})[:MAX_CHARACTERS]


def place(location: tuple[int | str, ...]) -> str:
    """Where it is wrong: `body.output.format`, `query.limit`."""
    if len(location) == 2 and location[0] == "body" and isinstance(location[1], int):
        return "body"  # where in the text JSON ends to be JSON
    return ".".join(str(part)[:MAX_NAME_CHARACTERS] for part in location)


def _sentence(kind: str, context: Mapping[str, Any]) -> str:
    match kind:
        case "value_error" | "assertion_error":
            # Our own rules: what they raise is written for the client.
            return str(context.get("error") or _UNKNOWN)
        case "literal_error" | "enum":
            return f"must be one of {str(context['expected']).replace(chr(39), '').replace(' or ', ', ')}"
        case "string_pattern_mismatch":
            return meaning_of(context["pattern"]) or f"must match the pattern {context['pattern']}"
    return SENTENCES.get(kind, _UNKNOWN).format_map(context)
