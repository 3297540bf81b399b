"""The canonical tables: what every adapter fills, whatever its source calls things.

Here belong names, types, what a row cannot do without, and which identifiers are replaced by
pseudonyms. How a source's columns become these belongs in its adapter; what is done with them
belongs in the dbt project.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """One canonical table.

    columns: what an adapter may fill, with DuckDB types, in lake order. required: a row in which
    one of these is null is rejected. texts: read to make fingerprints, then dropped. pseudonyms:
    column -> kind; always replaced. readable_ids: column -> kind; replaced only where the value
    holds an '@', because it is then a person's address. networks: column to derive -> column of
    the address it is derived from.

    identity: columns in which two rows that are one and the same agree; all, if none are named.
    summed: counts; rows that agree in every other stored column are added up, the count being
    unknown if one of them is. pool: column that says which report a count is from; two reports
    count the same things, so only one of them is added up. unstored: columns that are needed until
    then and dropped.
    """

    name: str
    columns: Mapping[str, str]
    required: tuple[str, ...]
    texts: tuple[str, ...] = ()
    pseudonyms: Mapping[str, str] = field(default_factory=dict)
    readable_ids: Mapping[str, str] = field(default_factory=dict)
    networks: Mapping[str, str] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    summed: tuple[str, ...] = ()
    pool: str | None = None
    unstored: tuple[str, ...] = ()

    def lake_columns(self) -> dict[str, str]:
        """Columns and types as stored in the lake, the fingerprints not included."""
        stored: dict[str, str] = {}
        derived_after = {address: network for network, address in self.networks.items()}
        for name, duckdb_type in self.columns.items():
            if name in self.texts or name in self.unstored:
                continue
            stored[name] = duckdb_type
            if name in derived_after:
                stored[derived_after[name]] = "VARCHAR"
        return stored


REQUESTS = Table(
    name="requests",
    columns={
        "request_id": "VARCHAR",
        "account_id": "VARCHAR",
        "org_id": "VARCHAR",
        "api_key_id": "VARCHAR",
        "end_user_id": "VARCHAR",
        "started_at": "TIMESTAMP",
        "model": "VARCHAR",
        "input_tokens": "BIGINT",
        "output_tokens": "BIGINT",
        "pathway": "VARCHAR",
        "endpoint": "VARCHAR",
        "duration_ms": "BIGINT",
        "stream": "BOOLEAN",
        "batch": "BOOLEAN",
        "cached_tokens": "BIGINT",
        "reasoning_tokens": "BIGINT",
        "cost_usd": "DOUBLE",
        "http_status": "INTEGER",
        "stop_reason": "VARCHAR",
        "stop_category": "VARCHAR",
        "temperature": "DOUBLE",
        "top_p": "DOUBLE",
        "n": "INTEGER",
        "max_tokens": "BIGINT",
        "seed": "BIGINT",
        "top_logprobs": "INTEGER",
        "logit_bias_count": "INTEGER",
        "tools_count": "INTEGER",
        "logprobs": "BOOLEAN",
        "tools_hash": "VARCHAR",
        "response_format": "VARCHAR",
        "session_id": "VARCHAR",
        "turn": "INTEGER",
        "reasoning_signature": "VARCHAR",
        "ip": "VARCHAR",
        "user_agent": "VARCHAR",
        "tls_fingerprint": "VARCHAR",
        "ip_type": "VARCHAR",
        "system_prompt": "VARCHAR",
        "prompt": "VARCHAR",
        "previous_prompt": "VARCHAR",
        "response": "VARCHAR",
        "prompt_state_hint": "VARCHAR",
    },
    required=("account_id", "started_at", "model"),
    texts=("system_prompt", "prompt", "previous_prompt", "response", "prompt_state_hint"),
    pseudonyms={
        "api_key_id": "api_key",
        "end_user_id": "end_user",
        "session_id": "session",
        "reasoning_signature": "reasoning_signature",
        "ip": "ip",
        "user_agent": "user_agent",
        "tls_fingerprint": "tls_fingerprint",
    },
    readable_ids={"account_id": "account", "org_id": "org"},
    networks={"ip_network": "ip"},
)

ACCOUNTS = Table(
    name="accounts",
    columns={
        "account_id": "VARCHAR",
        "created_at": "TIMESTAMP",
        "org_id": "VARCHAR",
        "parent_org_id": "VARCHAR",
        "plan": "VARCHAR",
        "monthly_fee_usd": "DOUBLE",
        "program": "VARCHAR",
        "email_domain": "VARCHAR",
        "email_hash": "VARCHAR",
        "payment_hash": "VARCHAR",
        "payment_bin": "VARCHAR",
        "virtual_card": "BOOLEAN",
        "signup_ip": "VARCHAR",
        "device_hash": "VARCHAR",
        "status": "VARCHAR",
        "status_changed_at": "TIMESTAMP",
    },
    required=("account_id", "created_at"),
    pseudonyms={
        "email_domain": "email_domain",
        "email_hash": "email",
        "payment_hash": "payment",
        "payment_bin": "payment_bin",
        # The same kind as the address of a request, so that the two can be compared.
        "signup_ip": "ip",
        "device_hash": "device",
    },
    readable_ids={"account_id": "account", "org_id": "org", "parent_org_id": "org"},
    networks={"signup_network": "signup_ip"},
)

USAGE_COUNTERS = Table(
    name="usage_counters",
    columns={
        "account_id": "VARCHAR",
        "usage_date": "DATE",
        "request_count": "BIGINT",
        "input_tokens": "BIGINT",
        "output_tokens": "BIGINT",
        "report": "VARCHAR",
        "counter": "VARCHAR",
    },
    required=("account_id", "usage_date"),
    readable_ids={"account_id": "account"},
    identity=("account_id", "usage_date", "report", "counter"),
    summed=("request_count", "input_tokens", "output_tokens"),
    pool="report",
    unstored=("report", "counter"),
)

MODEL_RELEASES = Table(
    name="model_releases",
    columns={"model": "VARCHAR", "released_at": "TIMESTAMP", "tier": "VARCHAR"},
    required=("model", "released_at"),
)

DECLARED_PARTIES = Table(
    name="declared_parties",
    columns={
        "account_id": "VARCHAR",
        "org_id": "VARCHAR",
        "kind": "VARCHAR",
        "reason": "VARCHAR",
        "expires_on": "DATE",
    },
    required=("kind",),
    readable_ids={"account_id": "account", "org_id": "org"},
)

DELIVERED_TABLES: Mapping[str, Table] = {
    table.name: table for table in (REQUESTS, ACCOUNTS, USAGE_COUNTERS)
}
REFERENCE_TABLES: Mapping[str, Table] = {
    table.name: table for table in (MODEL_RELEASES, DECLARED_PARTIES)
}
