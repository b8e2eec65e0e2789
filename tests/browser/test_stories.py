"""The sandbox's page in a real browser: the whole job, and everything that is refused."""

import re

import pytest
from playwright.sync_api import expect

from .conftest import Visit
from .visitor import (
    BRUNO,
    GUS,
    LENA,
    LOBBY,
    MAX,
    OLGA,
    OMAR,
    PHONE,
    REVIEW,
    TESSA,
    WIDE,
    Visitor,
)

pytestmark = pytest.mark.browser

FAKE = ("@pres1dent", "impersonation", "Promises free coins in the name of the president.")
REAL = ("@president", "fake-account", "Reported as a fake. Same text as last week.")


def test_an_account_goes_after_review_and_cool_off_and_comes_back(v: Visitor) -> None:
    v.look_at("acct-1001")
    expect(v.profile).to_contain_text("Follow for free coins")
    v.file(*FAKE)
    expect(v.card).to_contain_text("Needs review")

    v.be(TESSA)
    v.approve()
    expect(v.card).to_contain_text("Cooling off")
    expect(v.whisper).to_contain_text("Only visible to you")
    expect(v.profile).to_contain_text("Follow for free coins")

    v.skip_the_cool_off()
    expect(v.card).to_contain_text("Executed")
    expect(v.profile).to_contain_text("This account doesn't exist")
    expect(v.page.locator("#page-status")).to_contain_text("404")

    v.be(OMAR)
    v.say_why("Restore", "A parody, and it says so.")
    expect(v.card).to_contain_text("Restored")
    expect(v.profile).to_contain_text("Follow for free coins")

    v.card.locator("xpath=..").locator(".replies").click()
    expect(v.page.locator("#thread")).to_contain_text("Quorum reached.")


def test_nobody_approves_their_own_request(v: Visitor) -> None:
    v.file(*FAKE)
    v.press("Approve")
    v.page.click("[data-ask=yes]")
    expect(v.whisper).to_contain_text("You filed R-1: somebody else has to decide on it.")
    expect(v.card).to_contain_text("0 of 1")


def test_saying_no_to_the_question_sends_nothing(v: Visitor) -> None:
    v.file(*FAKE)
    v.be(TESSA)
    v.press("Approve")
    v.page.click("[data-ask=no]")
    expect(v.page.locator("dialog")).to_have_count(0)
    expect(v.card).to_contain_text("0 of 1")


def test_a_veto_in_the_cool_off_stops_it(v: Visitor) -> None:
    v.file(*REAL)
    for who in (TESSA, LENA):
        v.be(who)
        v.approve()
    expect(v.card).to_contain_text("Cooling off")
    expect(v.page.locator("#cooling")).to_contain_text("R-1 cools off")

    v.be(OMAR)
    v.go("dm")  # in the top tiers each reviewer is told, with the button
    v.page.locator("#log").get_by_role("button", name="Veto", exact=True).click()
    v.field("reason").fill("The president has an i.")
    v.submit()
    v.close_form()
    v.go(REVIEW)
    expect(v.card).to_contain_text("Vetoed")
    expect(v.card.get_by_role("button", name="Approve", exact=True)).to_have_count(0)

    v.page.click("#skip-open")
    v.page.click("[data-minutes='60']")
    expect(v.page.locator("#clock-ahead")).to_have_text("1 h ahead")
    expect(v.profile).to_contain_text("43,600,000")


def test_two_approvals_without_legal_are_not_enough(v: Visitor) -> None:
    v.file(*REAL)
    for who in (TESSA, OMAR):
        v.be(who)
        v.approve()
    expect(v.card).to_contain_text("still needs legal")
    expect(v.page.locator("#cooling")).to_be_hidden()


def test_what_is_wrong_is_said_beside_the_field(v: Visitor) -> None:
    v.type("/request-deactivate @pres1dent")
    v.field("what").fill("Free coins.")
    v.field("evidence").fill("not a link")
    v.submit()
    reason = v.form.locator("[data-block=reason]")
    expect(reason.locator(".error")).to_have_text("Please complete this required field.")
    expect(v.field("reason")).to_be_focused()

    v.field("reason").select_option("spam")
    v.submit()
    expect(v.form.locator("[data-block=evidence] .error")).to_contain_text("Not a web address")
    expect(v.field("evidence")).to_have_attribute("aria-invalid", "true")
    expect(v.field("what")).to_have_value("Free coins.")


@pytest.mark.parametrize(
    ("handle", "why"),
    [
        ("@nobody", "There is no such account"),
        ("@gone", "already deactivated"),
        ("@root", "administrator of the platform"),
        ("@nolone", "the bot itself acts with"),
    ],
)
def test_the_form_says_at_once_what_cannot_be_filed(v: Visitor, handle: str, why: str) -> None:
    v.type(f"/request-deactivate {handle}")
    expect(v.form).to_contain_text(why)


@pytest.mark.parametrize("who", [GUS, OLGA])
def test_guests_and_strangers_are_refused_in_words(v: Visitor, who: str) -> None:
    v.file(*FAKE)
    v.be(who)
    v.press("Veto")
    expect(v.whisper).to_contain_text("Only visible to you")
    expect(v.form).to_have_count(0)
    v.go(LOBBY)
    v.type("/request-deactivate @ada")
    expect(v.whisper).to_contain_text("Only visible to you")
    expect(v.form).to_have_count(0)


def test_the_manager_asks_the_trail_in_private(v: Visitor) -> None:
    v.file(*FAKE)
    v.be(MAX)
    v.type("/audit R-1")
    expect(v.whisper).to_contain_text("R-1")
    v.be(TESSA)
    expect(v.page.locator("#log .message.private")).to_have_count(0)


def test_home_shows_what_is_open_and_leads_to_it(v: Visitor) -> None:
    v.file(*FAKE)
    v.be(TESSA)
    v.go("home")
    home = v.page.locator("#log .home")
    expect(home).to_contain_text("R-1")
    home.get_by_role("button", name="Details", exact=True).click()
    expect(v.form).to_contain_text("Promises free coins")


def test_what_somebody_types_is_only_ever_text(v: Visitor) -> None:
    hostile = "<img src=x onerror=alert(1)> <!channel> *bold* @everyone \u202egnorw"
    v.file("@pres1dent", "spam", hostile)
    expect(v.card).to_contain_text("<img src=x onerror=alert(1)> <!channel> *bold* @everyone")
    expect(v.card).to_contain_text("⟨U+202E⟩")
    expect(v.card.locator("img")).to_have_count(0)
    v.type("<b>hello</b> & <!here>")
    expect(v.page.locator("#log .message").last).to_contain_text("<b>hello</b> & <!here>")


def test_others_see_it_without_reloading(visit: Visit) -> None:
    bruno, tessa = visit(), visit()
    tessa.be(TESSA)
    bruno.file(*FAKE)
    expect(tessa.card).to_contain_text("Needs review")


def test_under_the_hood_shows_the_signature_the_calls_and_the_ledger(v: Visitor) -> None:
    v.file(*FAKE)
    v.page.click("#hood-toggle")
    hood = v.page.locator("#hood")
    expect(hood.locator("#hood-list")).to_contain_text("Filed")
    hood.get_by_role("tab", name="Deliveries").click()
    expect(hood).to_contain_text("X-Slack-Signature")
    hood.get_by_role("tab", name="API calls").click()
    expect(hood.locator("#hood-list")).to_contain_text("chat.postMessage")
    v.page.click("#hood-close")
    expect(hood).to_be_hidden()


def test_starting_over_begins_anew(v: Visitor) -> None:
    v.file(*FAKE)
    v.page.click("#reset")
    v.page.click("[data-ask=yes]")
    expect(v.page.locator("#log")).to_contain_text("Nobody is alone with the controls")


def test_light_and_dark_follow_the_system_and_the_button(visit: Visit) -> None:
    v = visit(dark=True)
    html = v.page.locator("html")
    expect(html).to_have_attribute("data-theme", "dark")
    v.page.click("#theme")
    expect(html).to_have_attribute("data-theme", "light")
    v.page.reload()
    expect(html).to_have_attribute("data-theme", "light")


def test_the_whole_job_at_phone_width(phone: Visitor) -> None:
    v = phone
    v.file(*FAKE)
    v.be(TESSA)
    v.approve()
    expect(v.card).to_contain_text("Cooling off")
    v.skip_the_cool_off()
    expect(v.card).to_contain_text("Executed")
    v.pane("pipit")
    v.look_at("acct-1001")
    expect(v.profile).to_contain_text("This account doesn't exist")
    v.pane("hood")
    expect(v.page.locator("#hood-list")).to_contain_text("Executed")
    v.pane("chat")
    v.say_why("Restore", "A parody.")
    expect(v.card).to_contain_text("Restored")
    v.page.locator(".replies").first.click()
    expect(v.page.locator("#thread")).to_contain_text("Quorum reached.")
    assert v.page.evaluate("document.documentElement.scrollWidth") == PHONE[0]


def test_the_whole_job_with_the_keyboard_alone(v: Visitor) -> None:
    keys, page = v.page.keyboard, v.page

    def tab_to(selector: str) -> None:
        for _ in range(80):
            if page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
                return
            keys.press("Tab")
        raise AssertionError(f"Tab never led to {selector}")

    tab_to("#say")
    keys.type("/req")
    keys.press("ArrowDown")
    keys.press("Enter")  # takes the suggestion
    keys.type("@pres")
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    keys.press("Enter")
    expect(page.locator("#say")).to_have_value("/request-deactivate @pres1dent")
    keys.press("Enter")
    expect(v.field("reason")).to_be_focused()  # the form takes the focus
    keys.type("imperson")
    keys.press("Tab")
    keys.type("Promises free coins.")
    tab_to(".modal button[type=submit]")
    keys.press("Enter")
    expect(v.form).to_contain_text("is filed")
    keys.press("Escape")
    expect(v.form).to_have_count(0)
    expect(page.locator("#say")).to_be_focused()  # and gives it back

    keys.press("Shift+Tab")
    page.focus("body")
    tab_to("#people input")
    keys.press("ArrowDown")
    expect(page.locator(f"#people input[value={TESSA}]")).to_be_checked()
    expect(page.locator("#who-select")).to_have_value(TESSA)
    tab_to("#log [data-action=approve]")
    keys.press("Enter")
    tab_to("[data-ask=yes]")
    keys.press("Enter")
    expect(v.card).to_contain_text("Cooling off")
    said = re.compile("cooling off", re.IGNORECASE)
    expect(page.locator("#status")).to_contain_text(said)  # and a screen reader is told

    tab_to("#log [data-action=more]")
    keys.press("Enter")
    keys.press("Enter")  # Retract
    expect(v.card).to_contain_text("0 of 1")


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_the_tour_ends_with_the_president_still_there(visit: Visit, size: tuple[int, int]) -> None:
    v = visit(size)
    coach = v.page.locator(".coach")
    v.page.click("#tour")
    for step in range(1, 11):
        expect(coach.locator(".coach-step small")).to_have_text(f" {step} of 10", timeout=20_000)
        if step == 10:
            break
        action = coach.locator("[data-tour=act]")
        (action if action.count() else coach.locator("[data-tour=next]")).click()
        if step == 4:
            expect(v.whisper).to_contain_text("You filed R-1")
            coach.locator("[data-tour=next]").click()
        if step == 9:
            expect(v.whisper).to_contain_text("The trail is not as it was")
            coach.locator("[data-tour=next]").click()
    expect(v.profile).to_contain_text("43,600,000")
    v.page.click("[data-tour=next]")
    expect(coach).to_have_count(0)
    expect(v.page.locator("#say")).to_have_value("/request-deactivate @pres1dent")
    expect(v.page.locator("#log")).to_contain_text("Nobody is alone with the controls")  # afresh
    assert v.page.locator("#who-select").input_value() == BRUNO
