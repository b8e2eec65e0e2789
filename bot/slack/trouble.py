"""What Slack said when it did not do what it was asked."""

from slack_sdk.errors import SlackApiError

LIMITED = {"ratelimited", "rate_limited"}


def error_of(e: SlackApiError) -> str:
    """Slack's own word for it, e.g. `channel_not_found`; without one, as when a proxy answers, the
    HTTP status."""
    body = getattr(e.response, "data", None)
    said = body.get("error") if isinstance(body, dict) else None
    return str(said or f"HTTP {status_of(e)}")


def status_of(e: SlackApiError) -> int:
    # where the body cannot be parsed, the SDK hands on the bare answer of its HTTP client
    status: int = getattr(e.response, "status_code", None) or e.response.status
    return status


def pause_of(e: SlackApiError) -> int | None:
    """How long (ms) Slack asks to be left alone; None if it does not."""
    if status_of(e) != 429 and error_of(e) not in LIMITED:
        return None
    seconds: str = e.response.headers.get("Retry-After", "1")
    return int(seconds) * 1000 if seconds.isdigit() else 1000
