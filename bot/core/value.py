"""The base of every value in the core: immutable, strict, and nothing in it that was not named."""

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """An immutable value. An unknown key or a value of another type is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)
