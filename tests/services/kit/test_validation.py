"""What is wrong with a request is told in our words, for every kind of error that pydantic has."""

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticKnownError
from pydantic_core._pydantic_core import list_all_errors

from services.kit.schemas import JobId, RequestBody
from services.kit.validation import SENTENCES, form, meaning_of, place, sentence

KINDS: dict[str, Any] = {error["type"]: error for error in list_all_errors()}
WITH_CONTENT = {"value_error", "assertion_error", "literal_error", "enum", "string_pattern_mismatch"}
"""Those whose sentence is made of what the rule itself says."""
THEIR_WORDS = ("Input", "input", "dictionary", "instance", "Object", "valid string", "Error", "{", "}")


def worst_case(kind: str) -> dict[str, Any]:
    """Values for whatever pydantic's own sentence of this kind holds."""
    return {name: 7 if isinstance(value, int) else "secret" for name, value in _context(kind).items()}


def _context(kind: str) -> dict[str, Any]:
    return dict(KINDS[kind].get("example_context") or {})


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - WITH_CONTENT))
def test_every_kind_of_error_has_a_sentence_of_ours(kind: str) -> None:
    told = sentence({"type": kind, "ctx": worst_case(kind)})
    assert kind in SENTENCES
    assert told.split()[0] in {"must", "is", "has", "was", "cannot"}, told
    assert told != PydanticKnownError(kind, _context(kind) or None).message()  # type: ignore[arg-type]
    assert not any(words in told for words in THEIR_WORDS), told
    assert "secret" not in told


def test_a_kind_that_a_later_pydantic_adds_is_told_too() -> None:
    assert sentence({"type": "of_tomorrow"}) == "is not valid"


class Order(RequestBody):
    size: Annotated[int, Field(ge=1)] = 1
    kind: Annotated[str, AfterValidator(lambda text: _refuse("must rhyme") if text == "x" else text)] = "y"
    code: Annotated[str, Field(pattern=form("^[a-z]{3}$", "must be three letters"))] = "abc"
    bare: Annotated[str, Field(pattern="^[0-9]$")] = "1"


def _refuse(why: str) -> str:
    raise ValueError(why)


def told(model: type[BaseModel], content: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(model).validate_python(content)
    return {place(error["loc"]): sentence(error) for error in caught.value.errors()}


def test_rules_of_our_own_are_told_as_they_are_written() -> None:
    assert told(Order, {"size": 0, "kind": "x", "code": "12", "bare": "x", "extra": 1}) == {
        "size": "must be at least 1",
        "kind": "must rhyme",
        "code": "must be three letters",
        "bare": "must match the pattern ^[0-9]$",
        "extra": "is not known here",
    }


def test_a_choice_is_told_without_quotation_marks() -> None:
    assert sentence({"type": "literal_error", "ctx": {"expected": "'a', 'b' or 'c'"}}) == "must be one of a, b, c"


def test_an_id_is_told_by_its_prefix() -> None:
    class Named(BaseModel):
        job_id: JobId

    assert told(Named, {"job_id": "upl_1"}) == {"job_id": "must be an id that begins with job_"}
    assert meaning_of("^never told$") is None


def test_what_a_client_made_up_is_cut_short() -> None:
    assert place(("body", "k" * 5000)) == "body." + "k" * 100
    assert len(sentence({"type": "value_error", "ctx": {"error": "x" * 5000}})) == 500
    assert place(("body", 17)) == "body"
