"""An export on the page: it arrives as a file in the direct messages, and can be saved."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from .visitor import MAX, PHONE, WIDE, Visitor

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_manager_saves_the_export(visit, size: tuple[int, int], tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    v: Visitor = visit(size)
    v.be(MAX)
    v.go("C03LOBBY")
    v.type("/audit export format:csv")
    v.go("dm")
    shown = v.page.locator("#log .file")
    expect(shown).to_contain_text(".csv")
    expect(shown).to_contain_text("KB")
    expect(v.page.locator("#log")).to_contain_text("SHA-256")
    box = shown.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= size[0]
    with v.page.expect_download() as saving:
        shown.click()
    saving.value.save_as(tmp_path / "saved")
    assert saving.value.suggested_filename.endswith(".csv")
    assert (tmp_path / "saved").read_bytes().startswith(b"\xef\xbb\xbfseq,at,stream")
