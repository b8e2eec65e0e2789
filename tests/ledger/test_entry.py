"""An entry: its exact bytes, its leaf hash, and what is read back from it."""

import hashlib
import json
import types
from dataclasses import replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from core.build import NOW, decided, file, filed, policy
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel

from bot.core.events import Event, Filed, Happened, Identity, Retracted, Vetoed
from bot.core.policy import Policy
from bot.core.sealed import Sealed, Words, seal
from bot.core.terms import Terms
from bot.ledger.entry import VERSION, Entry, LedgerBroken, Opening, leaf_hash, read, write

EVENTS: tuple[type[Happened], ...] = get_args(Event)
SEED = "5a" * 32

# --- events of every type, with every field drawn from its type --------------------------------------

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
EXACT = st.integers(0, 2**53 - 1)
POLICIES = st.sampled_from([policy(), policy(channels={"review": "C09OTHER"})])
GIVEN: dict[Any, st.SearchStrategy[Any]] = {  # what no field-by-field draw would satisfy
    Terms: st.just(filed().pinned),
    Policy: POLICIES,
}


def of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    if kind in GIVEN:
        return GIVEN[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return of(arguments[0])
    if origin in (types.UnionType, Union):
        return st.one_of(*(of(a) for a in arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is frozenset:
        return st.frozensets(of(arguments[0]), max_size=3)
    if origin is tuple and arguments[-1] is ...:
        return st.lists(of(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*(of(a) for a in arguments))
    if kind is str:
        return TEXT
    if kind is int:
        return EXACT
    if kind is type(None):
        return st.none()
    if issubclass(kind, Sealed):
        value = of(get_args(kind.model_fields["value"].annotation)[0])
        return st.builds(seal, value, st.just(SEED), TEXT)
    if issubclass(kind, BaseModel):
        return model(kind)
    return st.sampled_from(kind) if kind is not bool else st.booleans()


def model(kind: type[BaseModel]) -> st.SearchStrategy[Any]:
    fields = {name: of(f.annotation) for name, f in kind.model_fields.items()}
    return st.fixed_dictionaries(fields).map(lambda said: kind(**said))


def written(event: Any, seq: int = 7, stream: str = "R-1") -> tuple[Entry, list[Opening]]:
    return write(event, seq, stream, 3)


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_is_read_back_as_it_was_written(kind: type[Happened]) -> None:
    @given(model(kind), EXACT, TEXT)
    def check(event: Any, seq: int, stream: str) -> None:
        entry, openings = write(event, seq, stream, 3)
        assert read(entry, openings) == event
        assert write(event, seq, stream, 3) == (entry, openings)

    check()


@pytest.mark.parametrize("kind", EVENTS)
def test_what_is_erased_leaves_its_commitment(kind: type[Happened]) -> None:
    @given(model(kind))
    def check(event: Any) -> None:
        entry, openings = written(event)
        found = read(entry, [])
        for name in type(event).model_fields:
            was, now = getattr(event, name), getattr(found, name)
            if isinstance(was, Sealed):
                assert (now.commitment, now.salt, now.value) == (was.commitment, None, None)
            else:
                assert now == was
        # what is left is the same entry, byte for byte
        assert written(found) == (entry, [])
        assert len(openings) == sum(isinstance(v, Sealed) for _, v in event)

    check()


@pytest.mark.parametrize("kind", EVENTS)
def test_sealed_values_stand_only_where_they_are_lifted_out(kind: type[Happened]) -> None:
    """An opening is named by its field, so nothing sealed may hide deeper in an event."""
    nested = [
        name
        for name, field in kind.model_fields.items()
        if "Sealed" in str(field.annotation) and get_origin(field.annotation) in (tuple, frozenset)
    ]
    assert nested == []


@given(st.text(st.characters(codec="ascii", categories=["Ll", "Lu"]), min_size=12, max_size=30))
def test_no_sealed_text_stands_in_the_entry(secret: str) -> None:
    event = Vetoed(at=NOW, by="U1", reason=seal(Words(text=secret), SEED, "words"))
    entry, openings = written(event)
    assert secret.encode() not in entry.body
    assert secret in openings[0].value
    assert openings[0].salt.encode() not in entry.body


def test_nothing_of_what_was_filed_and_may_be_erased_stands_in_the_entry() -> None:
    (event,) = decided(None, file())
    assert isinstance(event, Filed)
    entry, openings = written(event)
    for secret in (b"@president", b"Sells pills", b'"a1"', b"2000000"):
        assert secret not in entry.body
        assert any(secret in o.value.encode() for o in openings)


# --- the exact bytes -----------------------------------------------------------------------------


def test_the_bytes_of_an_entry_are_fixed_for_ever() -> None:
    entry, openings = written(Retracted(at=NOW, by="U02ANN"))
    assert entry.body == (
        b'{"actor":"U02ANN","at":1700000000000,"data":{},"kind":"Retracted","seq":7,'
        b'"stream":"R-1","v":1,"version":3}'
    )
    assert openings == []
    event = Vetoed(at=NOW, by="U1", reason=seal(Words(text="No."), "00" * 32, "x"))
    entry, openings = written(event)
    assert event.reason.salt is not None
    sealed = hashlib.sha256(bytes.fromhex(event.reason.salt) + b'{"text":"No."}').hexdigest()
    assert entry.body == (
        b'{"actor":"U1","at":1700000000000,"data":{"reason":{"sealed":"%b"}},"kind":"Vetoed",'
        b'"seq":7,"stream":"R-1","v":1,"version":3}' % sealed.encode()
    )
    assert entry.leaf.hex() == "1e2f8caf1626e4c5e09c38a882ed8d2ce5c2bef0bcbf2e8b3c173f95db812054"
    assert openings == [Opening("reason", event.reason.salt, '{"text":"No."}')]


def test_the_leaf_hash_is_rfc_6962s() -> None:
    # of the empty leaf and of a one-byte leaf, as in certificate-transparency's test vectors
    assert leaf_hash(b"").hex() == (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    )
    assert leaf_hash(b"\x00").hex() == (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
    )


# --- what is not what was written --------------------------------------------------------------------


@st.composite
def vetoes(draw: st.DrawFn) -> tuple[Entry, list[Opening]]:
    reason = seal(Words(text=draw(TEXT)), SEED, "words")
    return written(Vetoed(at=NOW, by="U1", reason=reason))


@given(vetoes(), TEXT)
def test_a_changed_value_breaks_the_ledger(stored: tuple[Entry, list[Opening]], other: str) -> None:
    entry, (opening,) = stored
    assume(other != opening.value)
    with pytest.raises(LedgerBroken, match="value kept for reason is not the one sealed"):
        read(entry, [replace(opening, value=other)])


@given(vetoes(), st.binary(min_size=16, max_size=16))
def test_a_changed_salt_breaks_the_ledger(stored: tuple[Entry, list[Opening]], salt: bytes) -> None:
    entry, (opening,) = stored
    assume(salt.hex() != opening.salt)
    with pytest.raises(LedgerBroken):
        read(entry, [replace(opening, salt=salt.hex())])


@pytest.mark.parametrize("salt", ["", "zz", "5"])
def test_a_salt_that_is_none_breaks_the_ledger(salt: str) -> None:
    event = Vetoed(at=NOW, by="U1", reason=seal(Words(text="No."), SEED, "words"))
    entry, (opening,) = written(event)
    with pytest.raises(LedgerBroken):
        read(entry, [replace(opening, salt=salt)])


@pytest.mark.parametrize("place", [{"seq": 8}, {"stream": "R-2"}, {"version": 4}])
def test_an_entry_at_another_place_breaks_the_ledger(place: dict[str, Any]) -> None:
    entry, _ = written(Retracted(at=NOW, by="U1"))
    with pytest.raises(LedgerBroken, match="says that it is"):
        read(replace(entry, **place), [])


def changed(entry: Entry, **said: Any) -> Entry:
    body = {k: v for k, v in (json.loads(entry.body) | said).items() if v is not ...}
    return replace(entry, body=json.dumps(body).encode())


@pytest.mark.parametrize(
    "said",
    [
        {"v": VERSION + 1},
        {"kind": "Approved"},
        {"kind": "Pardoned"},
        {"at": "now"},
        {"at": 1.5},
        {"actor": None},
        {"data": {"more": 1}},
        {"data": []},
        {"data": ...},
        {"v": ...},
    ],
)
def test_an_entry_that_nobody_could_have_written_breaks_the_ledger(said: dict[str, Any]) -> None:
    entry, _ = written(Retracted(at=NOW, by="U1"))
    with pytest.raises(LedgerBroken):
        read(changed(entry, **said), [])


@given(st.binary(max_size=40))
def test_other_bytes_break_the_ledger(body: bytes) -> None:
    with pytest.raises(LedgerBroken):
        read(Entry(7, "R-1", 3, body), [])


@given(st.integers(0), st.integers(1, 255))
def test_a_changed_byte_changes_the_leaf(at: int, by: int) -> None:
    entry, _ = written(Retracted(at=NOW, by="U02ANN"))
    body = bytearray(entry.body)
    body[at % len(body)] ^= by
    assert leaf_hash(bytes(body)) != entry.leaf


def test_an_identity_reads_back_in_whatever_order_its_keys_were() -> None:
    one, two = (Identity(keys=frozenset(k)) for k in (["a", "b"], ["b", "a"]))
    assert seal(one, SEED, "i").commitment == seal(two, SEED, "i").commitment
