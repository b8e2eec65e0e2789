"""Cosignatures of real witnesses are believed, and nothing that only looks like one."""

import base64
import dataclasses

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from bot.ledger import checkpoint, note
from bot.ledger.cosignature import CosignerKey, cosigners
from bot.ledger.note import BadSignature, NoteError, PublicKey, Signature

# a checkpoint of a public log (a staging log of Certificate Transparency), as four public witnesses
# cosigned it, who publish these keys; its first signature is of a type that is not known here
PUBLIC = """\
arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
""".encode()
VKEYS = [
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
]
LOG = (
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
)
KEYS = [CosignerKey.read(vkey) for vkey in VKEYS]
AT = 1_779_573_024

# the example of the specification; nobody publishes its key
EXAMPLE = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="

SIGNER = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
KEY = CosignerKey("w", SIGNER.public_key().public_bytes_raw())
TEXT = b"log\n7\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"


def cosigned(at: int, text: bytes = TEXT, said: int | None = None) -> bytes:
    """Signed for `at`; the signature says `said`."""
    value = SIGNER.sign(b"cosignature/v1\ntime " + str(at).encode() + b"\n" + text)
    return (at if said is None else said).to_bytes(8, "big") + value


def noted(*values: bytes, key: CosignerKey = KEY) -> note.Note:
    return note.Note(TEXT, tuple(Signature(key.name, key.id, value) for value in values))


def test_what_public_witnesses_cosigned_is_believed_with_its_time() -> None:
    assert cosigners(note.parse(PUBLIC), KEYS) == dict.fromkeys(KEYS, AT)
    known = [PublicKey.read(LOG)]
    assert checkpoint.read(PUBLIC, known, known[0].name).size == 1_432_088_532


@pytest.mark.parametrize("vkey", VKEYS)
def test_their_keys_are_read_and_written(vkey: str) -> None:
    assert CosignerKey.read(vkey).vkey == vkey
    assert CosignerKey.read(vkey).id.hex() == vkey.split("+")[1]


def test_the_example_of_the_specification_has_the_time_that_it_tells() -> None:
    raw = base64.b64decode(EXAMPLE)
    assert len(raw) == 4 + 8 + 64
    assert int.from_bytes(raw[4:12], "big") == 1_679_315_147


def test_what_is_cosigned_is_the_whole_text_and_the_time() -> None:
    assert KEY.cosigned(TEXT, cosigned(AT)) == AT
    assert KEY.cosigned(TEXT, cosigned(0)) == 0
    assert KEY.cosigned(TEXT + b"more\n", cosigned(AT, TEXT + b"more\n")) == AT
    assert KEY.cosigned(TEXT + b"more\n", cosigned(AT)) is None
    assert KEY.cosigned(TEXT, cosigned(AT, said=AT + 1)) is None
    assert KEY.cosigned(TEXT, cosigned(2**63 - 1)) == 2**63 - 1
    assert KEY.cosigned(TEXT, cosigned(2**63)) is None


def test_a_signature_of_a_log_is_no_cosignature() -> None:
    assert KEY.cosigned(TEXT, SIGNER.sign(TEXT)) is None
    assert KEY.cosigned(TEXT, AT.to_bytes(8, "big") + SIGNER.sign(TEXT)) is None
    for length in (0, 8, 71, 73):
        assert KEY.cosigned(TEXT, (cosigned(AT) + b"\0")[:length]) is None


@given(st.integers(0, 71), st.integers(1, 255))
def test_no_changed_byte_is_believed(at: int, by: int) -> None:
    raw = bytearray(cosigned(AT))
    raw[at] ^= by
    assert KEY.cosigned(TEXT, bytes(raw)) is None


def test_unknown_keys_are_left_alone_and_a_known_one_has_to_be_right() -> None:
    other = dataclasses.replace(KEY, name="other")
    assert cosigners(noted(b"anything", key=other), [KEY]) == {}
    assert cosigners(noted(), [KEY]) == {}
    with pytest.raises(BadSignature, match="the cosignature of w is not over this text"):
        cosigners(noted(cosigned(AT), cosigned(AT, b"another\n")), [KEY])


def test_of_two_cosignatures_by_one_key_the_newer_counts() -> None:
    assert cosigners(noted(cosigned(7), cosigned(9), cosigned(8)), [KEY]) == {KEY: 9}


def test_a_key_of_another_type_is_refused() -> None:
    with pytest.raises(NoteError, match="not an Ed25519 key of type 0x04"):
        CosignerKey.read(LOG)
    with pytest.raises(NoteError, match="not an Ed25519 key of type 0x01"):
        PublicKey.read(VKEYS[0])
    with pytest.raises(NoteError, match="does not belong to the key"):
        CosignerKey.read(VKEYS[2].replace("remora", "remorb"))
    quantum = "w+00000000+" + note.rebase64(b"\x06" + bytes(1312))
    with pytest.raises(NoteError, match="type 0x04"):
        CosignerKey.read(quantum)


def test_the_same_key_signs_as_a_log_and_as_a_witness_under_two_ids() -> None:
    assert PublicKey(KEY.name, KEY.key).id != KEY.id
