"""What one request is, which models exist, and what a day is. No behaviour here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

CHARACTERS_PER_TOKEN = 4
# Texts of scripts without spaces hold more tokens a character.
DENSE_FROM = 0x2E80


class Request(NamedTuple):
    """One row of the native export, in its columns and their meaning; None is "not known"."""

    request_id: str
    account_id: str
    started_at: datetime
    model: str
    input_tokens: int | None
    output_tokens: int | None
    org_id: str | None
    api_key_id: str | None
    end_user_id: str | None
    pathway: str | None
    endpoint: str | None
    duration_ms: int | None
    stream: bool | None
    batch: bool | None
    cached_tokens: int | None
    reasoning_tokens: int | None
    cost_usd: float | None
    http_status: int | None
    stop_reason: str | None
    stop_category: str | None
    temperature: float | None
    top_p: float | None
    n: int | None
    max_tokens: int | None
    seed: int | None
    top_logprobs: int | None
    logit_bias_count: int | None
    tools_count: int | None
    logprobs: bool | None
    tools_hash: str | None
    response_format: str | None
    session_id: str | None
    turn: int | None
    reasoning_signature: str | None
    ip: str | None
    user_agent: str | None
    tls_fingerprint: str | None
    ip_type: str | None
    system_prompt: str | None
    prompt: str | None
    response: str | None


@dataclass(frozen=True)
class Model:
    """A model on offer. Prices are dollars for a million tokens."""

    name: str
    tier: str
    input_usd: float
    output_usd: float
    reasons: bool
    released_at: datetime


@dataclass(frozen=True)
class Day:
    """One simulated day; `index` counts from 0."""

    index: int
    date: date

    @property
    def weekday(self) -> int:
        return self.date.weekday()

    def at(self, seconds: float) -> datetime:
        """Return the instant so many seconds after this day's midnight UTC, to the millisecond."""
        return datetime.combine(self.date, time()) + timedelta(milliseconds=int(seconds * 1000))


def list_models(release: datetime) -> dict[str, Model]:
    """Return the models by name; `meridian-5-large` comes out at `release`, the rest is older."""

    def before(days: int) -> datetime:
        return datetime.combine(release.date() - timedelta(days=days), time(15))

    models = (
        Model("meridian-4-large", "top", 5.0, 25.0, True, before(230)),
        Model("meridian-4-medium", "middle", 2.0, 10.0, True, before(230)),
        Model("meridian-4-small", "small", 0.3, 1.5, False, before(190)),
        Model("corvus-3-pro", "top", 3.0, 15.0, True, before(400)),
        Model("corvus-3-flash", "small", 0.15, 0.6, False, before(400)),
        Model("meridian-5-large", "top", 5.0, 25.0, True, release),
    )
    return {model.name: model for model in models}


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has."""
    if not text:
        return 0
    dense = ord(text[0]) >= DENSE_FROM or ord(text[-1]) >= DENSE_FROM
    return len(text) // (1 if dense else CHARACTERS_PER_TOKEN) + 1
