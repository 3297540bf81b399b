"""After ingestion, nothing that was said and nobody's address is anywhere below home."""

import gzip
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

KEY_DIGITS = "0123456789abcdef" * 4
SECRETS = {
    "prompt": "zanzibar-prompt-text",
    "system_prompt": "zanzibar-system-text",
    "response": "zanzibar-response-text",
    "ip": "198.51.100.77",
    "user_agent": "zanzibar-agent/1.0",
    "tls_fingerprint": "zanzibar-tls",
    "api_key_id": "zanzibar-key",
    "end_user_id": "zanzibar-end-user",
    "session_id": "zanzibar-session",
    "reasoning_signature": "zanzibar-signature",
    "org_id": "zanzibar@org.test",
}
ACCOUNT_SECRETS = {
    "email_domain": "zanzibar-domain.test",
    "email_hash": "zanzibar-email-hash",
    "payment_hash": "zanzibar-payment",
    "payment_bin": "zanzibar-bin",
    "signup_ip": "198.51.100.78",
    "device_hash": "zanzibar-device",
    "parent_org_id": "zanzibar-parent@org.test",
}


def contents(home: Path) -> bytes:
    """Everything below home, Parquet decoded as well, because its pages are compressed."""
    found = [str(path).encode() for path in home.rglob("*")]
    for path in home.rglob("*"):
        if path.is_file():
            found.append(path.read_bytes())
            if path.suffix == ".parquet":
                found.append(json.dumps(pq.read_table(path).to_pylist(), default=str).encode())
    return b"\n".join(found)


def test_no_text_no_address_and_no_key_is_kept(workshop: Any) -> None:
    row = {
        "account_id": "zanzibar-person@mail.test",
        "started_at": "2026-11-10T12:00:00Z",
        "model": "m",
        **SECRETS,
    }
    good = json.dumps(row).encode() + b"\n"
    workshop.deliver("good.jsonl", good)
    workshop.deliver("damaged.jsonl", good[:-20] + b"\n" + good + b"zanzibar garbage\n")
    workshop.deliver("lacking.jsonl", json.dumps({**row, "model": None}).encode())
    workshop.deliver("array.json", b"[" + good.strip() + b",")
    workshop.deliver("cut.jsonl.gz", gzip.compress(good * 5000)[:-9])
    workshop.deliver("odd.csv", b"zanzibar,header\n1,2\n")
    workshop.ingest()
    accounts = replace(workshop, table="accounts")
    accounts.deliver(
        "accounts.jsonl",
        [{"account_id": "zanzibar-person@mail.test", "created_at": 1767323045, **ACCOUNT_SECRETS}],
    )
    accounts.ingest()
    assert workshop.rows(columns="count(*)") == [(1,)]
    kept = contents(workshop.home)
    assert b"zanzibar" not in kept
    assert b"198.51.100" not in kept
    assert KEY_DIGITS.encode() not in kept
    found = subprocess.run(["grep", "-rlai", "zanzibar", str(workshop.home)], capture_output=True)
    assert found.returncode == 1


def test_errors_do_not_quote_what_was_delivered(
    workshop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    workshop.deliver("a.jsonl", b'{"prompt": "zanzibar\n{"account_id": 7, "model": zanzibar}\n')
    workshop.ingest()
    assert "zanzibar" not in caplog.text
