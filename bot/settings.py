"""Settings: read from the environment once, in cli, and frozen."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class SettingsError(Exception):
    """Something in the environment is wrong; one line for each thing, with the remedy."""


class StoreSettings(BaseSettings):
    """Where the database is: all that looking at the trail and migrating take."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    database_url: SecretStr = SecretStr("sqlite:///nolone.db")  # it may hold a password
    nolone_ephemeral: Literal["accept"] | None = None

    @field_validator("database_url")
    @classmethod
    def _is_one_of_ours(cls, value: SecretStr) -> SecretStr:
        if not re.fullmatch(r"sqlite:///.+|postgres(ql)?://.+", value.get_secret_value()):
            raise ValueError(
                "write sqlite:/// and the path of a file, e.g. sqlite:///nolone.db, or"
                " postgresql://USER:PASSWORD@HOST/NAME"
            )
        return value

    @property
    def database(self) -> str:
        """Its address; not to be shown."""
        return self.database_url.get_secret_value()


class LedgerSettings(StoreSettings):
    """And what the ledger is called."""

    nolone_origin: str = "nolone"

    @field_validator("nolone_origin")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}", value):
            raise ValueError("letters, digits, dots, dashes and slashes only, at most 100")
        return value


class SigningSettings(LedgerSettings):
    """And what signs it: for exporting and verifying it."""

    nolone_signing_key_file: Path | None = None


class AnchorSettings(SigningSettings):
    """And who keeps its checkpoints: for holding it against them."""

    nolone_anchors: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("nolone_anchors", mode="before")
    @classmethod
    def _are_a_list(cls, value: object) -> object:
        return _listed(value)


class Settings(AnchorSettings):
    """Every setting of `run`. Secrets are never shown; addresses come from here and nowhere else."""

    slack_bot_token: SecretStr
    slack_signing_secret: SecretStr | None = None  # HTTP
    slack_app_token: SecretStr | None = None  # Socket Mode
    slack_api_url: str = "https://slack.com/api/"
    nolone_policy: Path = Path("policy.yaml")
    nolone_platforms: Annotated[tuple[str, ...], NoDecode] = ()
    anchor_channel_webhook: SecretStr | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=3000, ge=0, le=65535)
    log_format: Literal["text", "json"] = "text"

    @field_validator("slack_bot_token")
    @classmethod
    def _is_a_bot_token(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith("xoxb-"):
            raise ValueError("a bot token starts with xoxb-: copy it from OAuth & Permissions")
        return value

    @field_validator("slack_app_token")
    @classmethod
    def _is_an_app_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not value.get_secret_value().startswith("xapp-"):
            raise ValueError(
                "an app-level token starts with xapp-: make one under Basic Information"
            )
        return value

    @field_validator("slack_api_url")
    @classmethod
    def _ends_in_api(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^/\s]+/api/", value):
            raise ValueError("it has to be an address that ends in /api/")
        return value

    @field_validator("anchor_channel_webhook")
    @classmethod
    def _is_a_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(
            r"(https://|http://127\.0\.0\.1:)[^\s@]+/services/[^\s?#]+", value.get_secret_value()
        ):
            raise ValueError(
                "an incoming webhook is an address like https://hooks.slack.com/services/…:"
                " copy it from the second app's Incoming Webhooks"
            )
        return value

    @field_validator("nolone_platforms", mode="before")
    @classmethod
    def _is_a_list(cls, value: object) -> object:
        return _listed(value)

    @model_validator(mode="after")
    def _names_a_platform(self) -> Self:
        if not self.nolone_platforms:
            raise ValueError("NOLONE_PLATFORMS is not set: name one or more, e.g. synapse")
        return self


def _listed(value: object) -> object:
    """The names in a text that separates them by commas."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


S = TypeVar("S", bound=StoreSettings)


def read_settings(kind: type[S]) -> S:
    """The settings from the environment. Raises SettingsError naming everything that is wrong."""
    try:
        return kind()
    except ValidationError as e:
        lines = []
        for problem in e.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in problem["loc"]).upper()
            said = problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "missing":
                said = "it is not set: see the table of settings in the README"
            lines.append(f"{name}: {said}" if name else said)
        raise SettingsError("\n".join(lines)) from None
