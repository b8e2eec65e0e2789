"""Signed notes and checkpoints: read and written as other logs' tools do, and believed only if signed."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.ledger import checkpoint, note
from bot.ledger.checkpoint import Checkpoint, short
from bot.ledger.note import BadSignature, NoteError, PublicKey, SigningKey

# from the examples and tests of golang.org/x/mod/sumdb/note, which the format comes from
VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SKEY = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
TEXT = (
    b"If you think cryptography is the answer to your problem,\n"
    b"then you don't know what your problem is.\n"
)
SIGNED = (
    TEXT
    + (
        "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    ).encode()
)
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"

OLD, NEW = SigningKey("log", b"\x01" * 32), SigningKey("log", b"\x02" * 32)
HEAD = Checkpoint("log", 7, b"\x07" * 32)


def test_what_go_signs_is_what_we_sign() -> None:
    key = SigningKey.read(SKEY)
    assert key.skey == SKEY
    assert key.public.vkey == VKEY
    assert note.sign(TEXT, [key]) == SIGNED


def test_what_go_signed_is_believed() -> None:
    found = note.parse(SIGNED)
    assert found.text == TEXT
    assert found.signers([PublicKey.read(VKEY)]) == (PublicKey.read(VKEY),)


def test_the_key_of_gos_checksum_database_is_read() -> None:
    key = PublicKey.read(SUMDB)
    assert (key.name, key.id.hex(), key.vkey) == ("sum.golang.org", "033de0ae", SUMDB)


def test_a_new_key_is_read_back_and_shows_no_secret() -> None:
    key = SigningKey.made("example.org/log")
    assert SigningKey.read(key.skey) == key
    assert PublicKey.read(key.public.vkey) == key.public
    assert key != SigningKey.made("example.org/log")
    assert repr(key.seed) not in repr(key)
    assert key.skey not in repr(key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\n"])
def test_a_name_that_no_key_can_have_is_refused(name: str) -> None:
    with pytest.raises(NoteError, match="no space and no plus"):
        SigningKey.made(name)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a3",
        VKEY.replace("c74f20a3", "c74f20a4"),  # another id
        VKEY.replace("PeterNeumann", "Peter"),  # the id is of another name
        VKEY.replace("ARpc", "ARpd"),  # another key
        VKEY.replace("ARpc", "BBpc"),  # another type
        VKEY[:-4],
        VKEY + "=",
        VKEY[:-1] + "!",
        VKEY.replace("PeterNeumann", "Peter Neumann"),
    ],
)
def test_what_is_no_key_is_refused(said: str) -> None:
    with pytest.raises(NoteError):
        PublicKey.read(said)
    with pytest.raises(NoteError) as caught:
        SigningKey.read("PRIVATE+KEY+" + said)
    assert "ARpc" not in str(caught.value)


def test_a_public_key_does_not_sign_and_an_id_has_to_be_the_keys() -> None:
    with pytest.raises(NoteError, match="a signing key starts with"):
        SigningKey.read(VKEY)
    with pytest.raises(NoteError, match="does not belong"):
        SigningKey.read(SKEY.replace("c74f20a3", "c74f20a4"))


def test_base64_has_one_spelling() -> None:
    assert note.unbase64("Mw==") == b"3"
    with pytest.raises(NoteError, match="as it is written"):
        note.unbase64("Mx==")  # the same byte, but for bits that nobody needs


# --- signatures -------------------------------------------------------------------------------------


def test_both_keys_sign_while_one_is_changed_for_the_other() -> None:
    signed = HEAD.sign([OLD, NEW])
    for known in ([OLD.public], [NEW.public], [NEW.public, OLD.public]):
        assert checkpoint.read(signed, known, "log") == HEAD
    assert note.parse(signed).signers([OLD.public, NEW.public]) == (OLD.public, NEW.public)


def test_unknown_signatures_are_left_alone() -> None:
    other = SigningKey("witness.example", b"\x03" * 32)
    same_name = SigningKey("log", b"\x04" * 32)
    signed = HEAD.sign([other, same_name, OLD])
    assert checkpoint.read(signed, [OLD.public], "log") == HEAD


def test_what_no_known_key_signed_is_not_believed() -> None:
    with pytest.raises(BadSignature, match="no key that is known here"):
        checkpoint.read(HEAD.sign([OLD]), [NEW.public], "log")


def test_swapped_signatures_are_seen() -> None:
    one, two = note.parse(HEAD.sign([OLD, NEW])).signatures
    lines = [
        f"— log {note.rebase64(a.id + b.value)}\n".encode() for a, b in ((one, two), (two, one))
    ]
    with pytest.raises(BadSignature, match="is not over this text"):
        checkpoint.read(HEAD.text + b"\n" + b"".join(lines), [OLD.public, NEW.public], "log")


def test_one_wrong_signature_spoils_the_note() -> None:
    good = HEAD.sign([OLD])
    wrong = note.sign(b"another\n", [NEW]).split(b"\n\n")[1]
    with pytest.raises(BadSignature):
        checkpoint.read(good + wrong, [OLD.public, NEW.public], "log")


@given(st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_never_believed_to_be_another_head(at: int, by: int) -> None:
    raw = bytearray(HEAD.sign([OLD]))
    raw[at % len(raw)] ^= by
    try:
        assert checkpoint.read(bytes(raw), [OLD.public], "log") == HEAD
    except NoteError:
        return
    raise AssertionError("every byte of a checkpoint counts")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"text\n",
        b"text\n\n",
        TEXT + b"\n",
        SIGNED[:-1],
        SIGNED + b"\n",
        SIGNED + b"more\n",
        SIGNED.replace(b"\n\n", b"\n"),
        SIGNED.replace("—".encode(), b"-"),
        SIGNED.replace(b"If", b"\xff"),
        SIGNED.replace(b"If", b"I\t"),
        SIGNED.replace(b"x08g", b"!08g"),
        TEXT + "\n— n AAAA\n".encode(),
        TEXT + b"\n" + "— n AAAAAAAA\n".encode() * 17,
    ],
)
def test_what_is_no_note_is_refused(raw: bytes) -> None:
    with pytest.raises(NoteError):
        note.parse(raw)


def test_a_text_may_have_empty_lines_and_sixteen_signatures() -> None:
    found = note.parse(b"one\n\ntwo\n\n" + "— n AAAAAAAA\n".encode() * 16)
    assert found.text == b"one\n\ntwo\n"
    assert len(found.signatures) == 16


# --- checkpoints ------------------------------------------------------------------------------------


def test_a_checkpoint_has_three_lines() -> None:
    root = base64.b64encode(b"\x07" * 32).decode()
    assert HEAD.text == f"log\n7\n{root}\n".encode()
    assert checkpoint.parse(HEAD.text) == HEAD
    assert checkpoint.parse(HEAD.text + b"more that is not ours\n") == HEAD


@pytest.mark.parametrize(
    "text",
    [
        b"log\n7\n",
        b"\n7\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
        b"log\n07\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
        b"log\n-7\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
        b"log\n\xc2\xb2\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
        b"log\n12345678901234567890\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n",
        b"log\n7\nBwcH\n",
        b"log\n7\nnone\n",
        HEAD.text + b"\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: bytes) -> None:
    with pytest.raises(NoteError):
        checkpoint.parse(text)


def test_another_logs_checkpoint_is_not_ours() -> None:
    with pytest.raises(BadSignature, match="of the log log, not of other"):
        checkpoint.read(HEAD.sign([OLD]), [OLD.public], "other")


def test_a_root_is_shown_as_it_begins_in_the_checkpoint() -> None:
    head = Checkpoint("log.example", 3, bytes(range(32)))
    assert head.text.decode().split("\n")[2].startswith(short(head.root))
    assert len(short(head.root)) == 12  # 9 bytes
