"""Behind the bot's back, in a real browser: what is done there, `/audit verify` names."""

import pytest
from playwright.sync_api import expect

from .conftest import Visit
from .visitor import LENA, MAX, PHONE, TESSA, WIDE, Visitor

pytestmark = pytest.mark.browser

FAKE = ("@pres1dent", "impersonation", "Promises free coins in the name of the president.")
ANCHORS = "C03ANC"


def decided(v: Visitor) -> None:
    """A request with an approval, and the place to tamper with it."""
    v.file(*FAKE)
    v.be(TESSA)
    v.approve()
    expect(v.card).to_contain_text("Cooling off")
    open_tampering(v)


def open_tampering(v: Visitor) -> None:
    if v.narrow:
        v.pane("hood")
    else:
        v.page.click("#hood-toggle")
    v.page.click("#tab-tamper")


def ask_as_max(v: Visitor) -> None:
    v.page.click("#tamper-ask")
    expect(v.page.locator("#who-select")).to_have_value(MAX)


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_an_edited_entry_is_found_and_named(visit: Visit, size: tuple[int, int]) -> None:
    v = visit(size)
    decided(v)
    v.page.click("[data-tamper=edit]")
    did = v.page.locator("#tamper-did")
    expect(did).to_have_text("Entry 3 said that Tessa approved R-1. Now it says Omar.")
    expect(v.page.locator("#tamper-done")).to_contain_text("Start over for a fresh one")
    ask_as_max(v)
    expect(v.whisper).to_contain_text("The trail is not as it was: edited.")
    expect(v.whisper).to_contain_text("The first that is wrong is entry 3.")
    assert v.page.evaluate("document.documentElement.scrollWidth") == size[0]


def test_the_ledger_shows_what_it_was_made_to_say(v: Visitor) -> None:
    v.file(*FAKE)
    v.be(TESSA)
    v.approve()
    expect(v.card).to_contain_text("Cooling off")
    v.page.click("#hood-toggle")
    rows = v.page.locator("#hood-list")
    expect(rows).to_contain_text("Approved · Tessa")
    v.page.click("#tab-tamper")
    v.page.click("[data-tamper=edit]")
    v.page.click("#tab-entries")
    expect(rows).to_contain_text("Approved · Omar")
    v.page.click("#tab-tamper")
    v.page.click("[data-tamper=delete]")
    v.page.click("#tab-entries")
    expect(rows.locator("li")).to_have_count(3)
    expect(rows).not_to_contain_text("Approved ·")


def test_what_was_made_to_fit_is_told_by_the_anchors_channel(v: Visitor) -> None:
    decided(v)
    v.go(ANCHORS)  # the quorum was anchored at once
    expect(v.page.locator("#log")).to_contain_text("4 entries")
    expect(v.page.locator("#log .message").first).to_contain_text("another app")
    v.page.click("[data-tamper=rewrite]")
    expect(v.page.locator("#tamper-did")).to_contain_text("everything fits")
    ask_as_max(v)
    expect(v.whisper).to_contain_text("The trail is not as it was: forked.")
    expect(v.whisper).to_contain_text("is over 4 entries, and those here are others")


def test_a_bot_that_stops_says_so_and_still_verifies(v: Visitor) -> None:
    v.file(*FAKE)
    open_tampering(v)
    v.page.click("[data-tamper=delete]")  # the newest entry: nothing can be added after it
    expect(v.page.locator("#tamper-did")).to_contain_text("It is gone.")
    expect(v.page.locator("#tamper-first")).to_be_hidden()
    ask_as_max(v)
    expect(v.whisper).to_contain_text("The trail is not as it was: truncated.")
    expect(v.whisper).to_contain_text("This question is not recorded")
    stopped = v.page.locator("#stopped")
    expect(stopped).to_contain_text("The bot has stopped.")
    stopped.get_by_role("button", name="Start over").click()
    v.page.click("[data-ask=yes]")
    expect(stopped).to_be_hidden()
    expect(v.page.locator("#tamper-did")).to_be_hidden()


def test_before_anything_happened_there_is_nothing_to_tamper_with(v: Visitor) -> None:
    v.be(LENA)
    open_tampering(v)
    expect(v.page.locator("#tamper-first")).to_contain_text("file a request first")
    for way in ("edit", "delete", "rewrite"):
        expect(v.page.locator(f"[data-tamper={way}]")).to_be_disabled()
