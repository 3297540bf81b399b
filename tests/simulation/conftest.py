"""Simulated exports, made once a session, and read back without any of the product's readers."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest

from pipelines.simulation import SimulationSummary, simulate

SEEDS = (7, 11)


@dataclass(frozen=True)
class Export:
    """A simulated export as frames.

    `requests` holds what was delivered, once per request, and the day of its delivery.
    """

    folder: Path
    summary: SimulationSummary
    requests: pd.DataFrame
    accounts: pd.DataFrame
    labels: pd.DataFrame
    repeated_rows: int

    def of(self, scenario: str) -> pd.DataFrame:
        """Return the requests of a scenario's accounts, in order of time."""
        members = self.labels[self.labels.scenario == scenario].account_id
        chosen = self.requests[self.requests.account_id.isin(members)]
        return chosen.sort_values("started_at", kind="stable")


@pytest.fixture(scope="session", params=SEEDS, ids=lambda seed: f"seed{seed}")
def export(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Export:
    folder = tmp_path_factory.mktemp("simulated") / "exports"
    summary = simulate(folder, seed=request.param, accounts=400, days=12)
    return read_export(folder, summary)


def read_export(folder: Path, summary: SimulationSummary) -> Export:
    deliveries = [
        read_requests(path).assign(delivered=path.parent.name)
        for path in sorted((folder / "requests").glob("*/*"))
    ]
    delivered = pd.concat(deliveries, ignore_index=True)
    requests = delivered.drop_duplicates(["request_id", "account_id", "started_at"])
    last_day = sorted((folder / "accounts").iterdir())[-1]
    accounts = pd.read_csv(last_day / "accounts.csv", dtype={"payment_bin": "str"})
    accounts["created_at"] = pd.to_datetime(accounts.created_at, utc=True)
    labels = pd.read_csv(folder / "labels.csv", dtype="str")
    return Export(folder, summary, requests, accounts, labels, len(delivered) - len(requests))


def read_requests(path: Path) -> pd.DataFrame:
    """Return one delivered file; lines that are not JSON, or have no account or time, are left."""
    raw = path.read_bytes()
    content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
    elif ".csv" in path.suffixes:
        frame = pd.read_csv(BytesIO(content), low_memory=False, keep_default_na=False, na_values="")
    else:
        frame = pd.DataFrame(_objects(content))
    started_at = pd.to_datetime(frame.started_at, utc=True, errors="coerce", format="ISO8601")
    # The kinds of file agree on milliseconds only after this.
    frame["started_at"] = started_at.astype("datetime64[ms, UTC]")
    return frame[frame.started_at.notna() & frame.account_id.notna() & (frame.account_id != "")]


def _objects(content: bytes) -> list[dict[str, object]]:
    read = []
    for line in content.decode().splitlines():
        try:
            read.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return read
