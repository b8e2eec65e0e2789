"""A Slack workspace on loopback that refuses what Slack refuses."""

from bot.sandbox.slack.api import ApiCall, Error, RateLimited, ServerError, Slow, TimedOut
from bot.sandbox.slack.deliveries import Delivery
from bot.sandbox.slack.hands import Answer, Hand, NoSuchButton
from bot.sandbox.slack.server import FakeSlack

__all__ = [
    "Answer",
    "ApiCall",
    "Delivery",
    "Error",
    "FakeSlack",
    "Hand",
    "NoSuchButton",
    "RateLimited",
    "ServerError",
    "Slow",
    "TimedOut",
]
