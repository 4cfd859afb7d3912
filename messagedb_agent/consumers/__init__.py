"""Keeping it going: who reads a category for ever, and works on what it reads."""

from messagedb_agent.consumers.handler import Handler, load_handler
from messagedb_agent.consumers.parking import Parked, Parking, all_parkings, parking_in, parking_of
from messagedb_agent.consumers.patience import Patience
from messagedb_agent.consumers.subscription import Subscription
from messagedb_agent.consumers.worker import (
    DEFAULT_CONCURRENCY,
    DEFAULT_GRACE_S,
    DEFAULT_GROUP,
    DEFAULT_GROUP_SIZE,
    Worker,
)

__all__ = [
    "DEFAULT_CONCURRENCY",
    "DEFAULT_GRACE_S",
    "DEFAULT_GROUP",
    "DEFAULT_GROUP_SIZE",
    "Handler",
    "Parked",
    "Parking",
    "Patience",
    "Subscription",
    "Worker",
    "all_parkings",
    "load_handler",
    "parking_in",
    "parking_of",
]
