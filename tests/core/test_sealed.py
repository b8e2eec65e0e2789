"""Canonical text and salted commitments."""

import hashlib
import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.core.actions import ActionKind
from bot.core.sealed import Sealed, Words, canonical, commitment, plain, seal

from .build import SUBJECT, snapshot

SEED = "5a" * 32
EXACT = st.integers(-(2**53) + 1, 2**53 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | EXACT | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
)


@given(VALUES)
def test_canonical_text_is_json_and_reads_back_the_same(value: object) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@given(VALUES)
def test_canonical_text_is_what_another_implementation_of_rfc_8785_writes(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]


def test_every_character_is_written_as_by_another_implementation() -> None:
    text = "".join(chr(c) for c in range(0x2100) if not 0xD800 <= c < 0xE000) + "\U0001f600"
    assert canonical({text: text}) == rfc8785.dumps({text: text})


@pytest.mark.parametrize("value", ["\ud800", {"\ud800": 1}])
def test_text_that_is_not_unicode_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        canonical(value)


@given(st.dictionaries(TEXT, VALUES))
def test_canonical_text_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    assert canonical(dict(reversed(value.items()))) == canonical(value)


@given(st.lists(TEXT))
def test_canonical_text_does_not_depend_on_the_order_of_a_set(members: list[str]) -> None:
    assert canonical(frozenset(members)) == canonical(frozenset(reversed(members)))


def test_canonical_text_has_rfc_8785s_form() -> None:
    value = {"b": [1, True, None], "a": "€\n", "\U0001f600": 0, "\ufb33": ActionKind.RESTORE}
    assert canonical(value) == (
        '{"a":"€\\n","b":[1,true,null],"\U0001f600":0,"\ufb33":"restore"}'.encode()
    )


def test_a_value_is_its_fields_and_a_sealed_one_its_commitment_alone() -> None:
    sealed = seal(SUBJECT, SEED, "subject")
    assert plain({"subject": SUBJECT}) == {"subject": {"platform": "demo", "id": "a1"}}
    assert plain((sealed,)) == [{"sealed": sealed.commitment}]


@pytest.mark.parametrize("value", [1.5, b"x", object(), [1.0]])
def test_what_has_no_exact_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="no exact JSON form"):
        canonical(value)


@pytest.mark.parametrize("value", [2**53, -(2**53)])
def test_an_integer_that_others_read_inexactly_is_refused(value: int) -> None:
    with pytest.raises(ValueError, match="exceed"):
        canonical(value)


# --- sealing -------------------------------------------------------------------------------------


def test_a_commitment_is_the_hash_of_the_salt_and_the_canonical_value() -> None:
    sealed = seal(SUBJECT, SEED, "subject")
    assert sealed.salt is not None
    text = b'{"id":"a1","platform":"demo"}'
    assert sealed.commitment == hashlib.sha256(bytes.fromhex(sealed.salt) + text).hexdigest()
    assert sealed.commitment == commitment(sealed.salt, text)
    assert sealed.open == SUBJECT


def test_salts_differ_by_seed_and_by_label_and_have_sixteen_bytes() -> None:
    seals = [seal(SUBJECT, seed, label) for seed in (SEED, "00" * 32) for label in ("a", "b")]
    assert len({s.salt for s in seals}) == len({s.commitment for s in seals}) == 4
    assert all(s.salt is not None and len(bytes.fromhex(s.salt)) == 16 for s in seals)


def test_the_same_seed_and_label_seal_alike_so_that_a_decision_is_pure() -> None:
    assert seal(snapshot(), SEED, "x") == seal(snapshot(), SEED, "x")


def test_an_erased_value_leaves_its_commitment() -> None:
    sealed = seal(Words(text="secret"), SEED, "words")
    erased = Sealed[Words](commitment=sealed.commitment, salt=None, value=None)
    assert plain(erased) == plain(sealed)
    with pytest.raises(LookupError, match="erased"):
        _ = erased.open


def test_a_value_takes_no_unknown_key_and_no_other_type() -> None:
    for said in ({"text": "x", "more": 1}, {"text": 1}):
        with pytest.raises(ValidationError):
            Words.model_validate(said)
