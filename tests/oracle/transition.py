"""A transition of an alert of one outlet and SKU, before it has its key and number."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Transition:
    state: str
    episode: int
    severity: int
    at: int
    since: int
    begin_event: str
    end_event: str = None
    value: int = None  # R2 only, as threshold
    threshold: int = None
