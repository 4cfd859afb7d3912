"""What users are promised, word for word, and what a run of faults counts that bears on it."""

from collections.abc import Mapping

PROMISES: Mapping[str, str] = {
    "An acknowledged event is never lost": "acknowledged events",
    "One thread has one history": "threads",
    "Each logical event stands once": "events",
    "What has a recorded outcome never runs again": "calls",
    "A tool's effect follows its declared policy": "attempts begun",
    "Nothing can brick a thread or stop the others": "threads at rest",
}
