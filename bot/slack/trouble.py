"""What Slack said when it did not do what it was asked."""

from slack_sdk.errors import SlackApiError

LIMITED = {"ratelimited", "rate_limited"}
# Slack may have done what it did not answer to
UNCLEAR = {
    "fatal_error",
    "internal_error",
    "request_timeout",
    "service_unavailable",
    "update_failed",
}
# it can only come right when somebody changes something at Slack: tried again, and shown
HELD = {
    "access_denied",
    "account_inactive",
    "app_access_restricted",
    "channel_is_limited_access",
    "channel_not_found",
    "ekm_access_denied",
    "external_channel_migrating",
    "invalid_auth",
    "is_archived",
    "is_inactive",
    "message_limit_exceeded",
    "missing_scope",
    "no_permission",
    "not_allowed_token_type",
    "not_authed",
    "not_in_channel",
    "org_login_required",
    "posting_to_channel_denied",
    "restricted_action",
    "restricted_action_non_threadable_channel",
    "restricted_action_read_only_channel",
    "restricted_action_thread_locked",
    "restricted_action_thread_only_channel",
    "team_access_not_granted",
    "team_added_to_org",
    "token_expired",
    "token_revoked",
}
# no reply can be posted under it any more
NO_PARENT = {"cannot_reply_to_message", "message_not_found", "thread_not_found"}
# it cannot be changed any more; another is posted in its place, that says why
GONE = {
    "message_not_found": "was deleted in Slack",
    "cant_update_message": "is another app's, and cannot be changed any more",
    "edit_window_closed": "is too old for Slack to let it be changed",
}
# this person can never be told by direct message
UNREACHABLE = {
    "cannot_dm_bot",
    "channel_not_found",
    "messages_tab_disabled",
    "user_disabled",
    "user_not_found",
}


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
