"""Whether what the double answers is what Stripe could have answered, by the types of its SDK."""

from collections.abc import Mapping
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

from tests.services.accounts.payments.stripe.documents import Document


def checked(answer: Document) -> Document:
    """The answer, once every object within it is what the SDK's class of that object says."""
    from stripe._object_classes import get_object_class

    def look(value: Any, place: str) -> None:
        if isinstance(value, list):
            for number, one in enumerate(value):
                look(one, f"{place}[{number}]")
        if not isinstance(value, dict):
            return
        kind = value.get("object")
        if isinstance(kind, str) and kind != "list":
            _compare(value, get_object_class("V1", kind).__annotations__, f"{place} ({kind})")
        for name, one in value.items():
            look(one, f"{place}.{name}")

    look(answer, "answer")
    return answer


def _compare(value: Document, annotations: Mapping[str, Any], place: str) -> None:
    unknown = value.keys() - annotations.keys()
    assert not unknown, f"{place} has what Stripe has not: {sorted(unknown)}"
    for name, annotation in annotations.items():
        choices = get_args(annotation) if get_origin(annotation) is Union else (annotation,)
        if value.get(name) is None:
            assert NoneType in choices or name not in value, f"{place}.{name} is never null"
            continue
        stated = [choice for choice in choices if choice is not NoneType]
        if all(choice in {int, str, bool} for choice in stated):
            assert type(value[name]) in stated, f"{place}.{name} is {annotation}"
        elif all(get_origin(choice) is Literal for choice in stated):
            assert value[name] in [one for choice in stated for one in get_args(choice)], f"{place}.{name}"
