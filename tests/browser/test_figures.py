"""A chart and a table on the sandbox's page, for the eye and for a screen reader."""

import pytest
from playwright.sync_api import Locator, expect

from .conftest import Visit
from .visitor import BRUNO, LOBBY, MAX, PHONE, TESSA, Visitor

pytestmark = pytest.mark.browser

OUTCOMES = (
    "Requests by outcome and tier, in requests. "
    "standard: open 1, vetoed 1. public-office: open 1, vetoed 0."
)


def figures(v: Visitor) -> Locator:
    """One request vetoed, two open; and Max asks."""
    v.file("@pres1dent", "impersonation", "Promises free coins.")
    v.be(TESSA)
    v.say_why("Veto", "A parody, and it says so.")
    v.be(BRUNO)
    v.file("@ada", "impersonation", "Pretends to be Ada.")
    v.file("@president", "fake-account", "Reported as a fake.")
    v.be(MAX)
    v.go(LOBBY)
    v.type("/audit stats")
    expect(v.whisper).to_contain_text("3 requests filed: 2 open, 1 vetoed")
    return v.whisper


def test_a_chart_says_what_it_shows_and_has_a_legend(v: Visitor) -> None:
    chart = figures(v).locator(".bk-chart").first
    expect(chart.locator("figcaption")).to_have_text("Requests by outcome and tier")
    expect(chart.get_by_role("img")).to_have_accessible_name(OUTCOMES)
    expect(chart.locator(".bk-legend li")).to_have_text(["standard", "public-office"])
    expect(chart.locator(".bk-axis")).to_have_text(["Requests"])
    expect(chart.locator(".bk-category")).to_have_text(["open", "vetoed"])
    expect(chart.locator(".bk-value")).to_have_text(["1", "1", "1", "0"])
    tall = [float(bar.get_attribute("height") or 0) for bar in chart.locator(".bk-bar").all()]
    assert tall[0] == tall[1] == tall[2] > tall[3] == 0
    fills = {bar.get_attribute("fill") for bar in chart.locator(".bk-bar").all()}
    marks = {f: v.page.locator(str(f)[4:-1]).locator(":scope > :not(rect)").count() for f in fills}
    assert sorted(marks.values()) == [0, 1]  # they differ by more than their colour


def test_a_table_is_a_table(v: Visitor) -> None:
    region = figures(v).get_by_role("region", name="Requests by tier and outcome")
    table = region.get_by_role("table", name="Requests by tier and outcome")
    expect(table.get_by_role("columnheader")).to_have_text(
        ["Tier", "Filed", "Open", "Vetoed", "Approved in 10 s"]
    )
    expect(table.get_by_role("rowheader")).to_have_text(["standard", "public-office"])
    expect(table.locator("tbody tr").first.get_by_role("cell")).to_have_text(["2", "1", "1", "0"])


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_the_table_scrolls_in_its_card(visit: Visit, dark: bool) -> None:
    wide = visit()
    figures(wide)
    phone = visit(PHONE, dark=dark)
    phone.be(MAX)
    phone.go(LOBBY)
    table = phone.whisper.locator(".bk-table")
    expect(table).to_be_visible()
    inside, shown = table.evaluate("one => [one.scrollWidth, one.clientWidth]")
    assert inside > shown
    assert table.evaluate("one => (one.scrollLeft = 999, one.scrollLeft)") > 0
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    for one in phone.whisper.locator(".bk-chart, .bk-table").all():
        box = one.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE[0]


def test_the_words_of_a_chart_can_be_told_from_its_ground(visit: Visit) -> None:
    wide = visit()
    figures(wide)
    for dark in (False, True):
        one = visit(dark=dark)
        one.be(MAX)
        one.go(LOBBY)
        for what in (".bk-category", ".bk-value", ".bk-scale text"):
            ratio = one.whisper.locator(what).first.evaluate(CONTRAST)
            assert ratio >= 4.5, (what, dark, ratio)


CONTRAST = """one => {
  const read = (colour) => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const over = light(read(getComputedStyle(one.closest('.card')).backgroundColor));
  const ink = light(read(getComputedStyle(one).fill));
  return (Math.max(over, ink) + 0.05) / (Math.min(over, ink) + 0.05);
}"""
