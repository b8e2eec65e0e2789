"""Settings: what is wrong is said at the start, all at once, without showing a secret."""

import pytest

from bot.settings import Settings, SettingsError, read_settings

GOOD = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_SIGNING_SECRET": "s3cret",
    "NOLONE_PLATFORMS": "demo, synapse",
}


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*GOOD, "SLACK_APP_TOKEN", "SLACK_API_URL", "DATABASE_URL", "PORT", "HOST"):
        monkeypatch.delenv(name, raising=False)


def given(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in (GOOD | more).items():
        monkeypatch.setenv(name, value)


def test_the_defaults_are_those_that_the_readme_promises(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch)
    settings = read_settings(Settings)
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.database == "sqlite:///nolone.db"
    assert settings.nolone_platforms == ("demo", "synapse")
    assert (settings.host, settings.port) == ("127.0.0.1", 3000)


def test_nothing_set_is_told_by_name() -> None:
    with pytest.raises(SettingsError, match="SLACK_BOT_TOKEN: it is not set"):
        read_settings(Settings)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SLACK_BOT_TOKEN", "xoxp-9-secret", "starts with xoxb-"),
        ("SLACK_APP_TOKEN", "xoxb-9-secret", "starts with xapp-"),
        ("SLACK_API_URL", "https://slack.com", "ends in /api/"),
        ("DATABASE_URL", "mysql://u:9-secret@x/y", "sqlite:///"),
        ("NOLONE_ORIGIN", "a b", "letters, digits"),
        ("PORT", "70000", "PORT"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT"),
        ("NOLONE_PLATFORMS", " , ", "NOLONE_PLATFORMS is not set"),
    ],
)
def test_a_wrong_value_is_told_with_the_remedy_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    given(monkeypatch, **{name: value})
    with pytest.raises(SettingsError, match=said) as caught:
        read_settings(Settings)
    assert "9-secret" not in str(caught.value)


def test_secrets_are_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch)
    assert "s3cret" not in repr(read_settings(Settings))
    assert "xoxb-1" not in repr(read_settings(Settings))
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:s3cret@host/nolone")
    assert "s3cret" not in repr(read_settings(Settings))
