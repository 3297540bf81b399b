"""What `simulate` promises about its folder: equal bytes, complete labels, real faults."""

from __future__ import annotations

import gzip
import hashlib
import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from pipelines.errors import UserError
from pipelines.simulation import Evasion, simulate

if TYPE_CHECKING:
    from tests.simulation.conftest import Export

KINDS = {".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet"}


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        simulate(tmp_path / name, seed=seed, accounts=60, days=5)
    assert digest(tmp_path / "one") == digest(tmp_path / "two")
    assert digest(tmp_path / "one") != digest(tmp_path / "other")


def test_an_earlier_simulation_is_replaced_whole(tmp_path: Path) -> None:
    simulate(tmp_path / "again", seed=1, accounts=60, days=4)
    simulate(tmp_path / "again", seed=3, accounts=60, days=2)
    simulate(tmp_path / "fresh", seed=3, accounts=60, days=2)
    assert digest(tmp_path / "again") == digest(tmp_path / "fresh")


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(UserError, match="found other files"):
        simulate(tmp_path, seed=1, accounts=60, days=2)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


@pytest.mark.parametrize(("accounts", "days"), [(39, 2), (60, 0)])
def test_too_small_a_simulation_is_refused(tmp_path: Path, accounts: int, days: int) -> None:
    with pytest.raises(UserError, match="at least"):
        simulate(tmp_path / "out", seed=1, accounts=accounts, days=days)
    assert not (tmp_path / "out").exists()


def test_an_evasion_for_an_unknown_scenario_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="found C99"):
        simulate(tmp_path / "out", seed=1, accounts=60, days=2, evasions={"C99": Evasion()})


def test_days_run_from_the_first_day(tmp_path: Path) -> None:
    simulate(tmp_path, seed=1, accounts=40, days=3, first_day=date(2026, 2, 27))
    for table in ("requests", "accounts", "usage_counters"):
        names = sorted(path.name for path in (tmp_path / table).iterdir())
        assert names == ["2026-02-27", "2026-02-28", "2026-03-01"]


@pytest.mark.parametrize("accounts", [40, 120, 250])
def test_campaigns_never_fill_more_than_their_share(tmp_path: Path, accounts: int) -> None:
    summary = simulate(tmp_path, seed=2, accounts=accounts, days=1)
    assert summary.accounts == accounts
    assert 3 <= summary.extraction_accounts <= max(3, 0.15 * accounts)


def test_every_account_is_labelled_once_and_no_other(export: Export) -> None:
    labels = export.labels
    assert labels.account_id.is_unique
    assert set(labels.account_id) == set(export.accounts.account_id)
    assert set(export.requests.account_id) <= set(labels.account_id)
    assert len(labels) == export.summary.accounts == 400


def test_labels_agree_with_scenario_campaign_and_pool(export: Export) -> None:
    labels = export.labels
    is_extraction = labels.label == "extraction"
    assert set(labels.label) == {"extraction", "benign"}
    assert (is_extraction == labels.scenario.str.startswith("C")).all()
    assert (is_extraction == labels.campaign.notna()).all()
    assert (labels.pool.notna() == (is_extraction | (labels.scenario == "B14"))).all()
    assert labels[is_extraction].groupby("campaign").size().min() >= 3
    assert 0.08 <= is_extraction.mean() <= 0.15
    assert labels.scenario.nunique() == 8 + 13 + 1


def test_all_file_kinds_are_met_and_lines_in_gzip_are_the_rule(export: Export) -> None:
    names = [path.name for path in (export.folder / "requests").glob("*/*")]
    kinds = [name[name.index(".") :] for name in names]
    assert set(kinds) == KINDS
    assert max(set(kinds), key=kinds.count) == ".jsonl.gz"


def test_one_delivery_holds_lines_that_cannot_be_used(export: Export) -> None:
    third = sorted((export.folder / "requests").iterdir())[2]
    lines = gzip.decompress((third / "requests-000.jsonl.gz").read_bytes()).decode().splitlines()
    broken, nobody, timeless = 0, 0, 0
    for line in lines:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            broken += 1
            continue
        nobody += row["account_id"] == ""
        timeless += row["started_at"] == "yesterday evening"
    assert (broken, nobody, timeless) == (2, 1, 1)


def test_some_requests_arrive_a_day_late_and_none_later(export: Export) -> None:
    delivered = pd.to_datetime(export.requests.delivered)
    event = export.requests.started_at.dt.tz_localize(None).dt.normalize()
    late = (delivered - event).dt.days
    assert set(late.unique()) == {0, 1}
    assert 0.005 < late.mean() < 0.04


def test_failures_repetitions_and_missing_ids_occur(export: Export) -> None:
    status = export.requests.http_status.value_counts(normalize=True)
    assert 0.01 < status[429] + status[500] < 0.07
    assert export.repeated_rows > 0
    assert export.requests.request_id.isna().any() or (export.requests.request_id == "None").any()
    assert 0 < export.requests.prompt.isna().mean() < 0.05


def test_usage_counters_count_each_request_of_the_day_once(export: Export) -> None:
    day = sorted((export.folder / "usage_counters").iterdir())[1]
    counters = pd.read_csv(day / "counters.csv").set_index("account_id")
    assert set(counters.usage_date) == {day.name}
    rows = export.requests[export.requests.started_at.dt.strftime("%Y-%m-%d") == day.name]
    counted = rows.groupby("account_id").agg(
        request_count=("model", "size"),
        input_tokens=("input_tokens", "sum"),
        output_tokens=("output_tokens", "sum"),
    )
    difference = counters.drop(columns="usage_date").sub(counted, fill_value=0)
    assert (difference == 0).all().all()


def test_no_account_asks_before_it_exists(export: Export) -> None:
    created = export.requests.account_id.map(export.accounts.set_index("account_id").created_at)
    assert (export.requests.started_at >= created).all()


def test_snapshots_know_only_what_had_happened(export: Export) -> None:
    for folder in sorted((export.folder / "accounts").iterdir()):
        accounts = pd.read_csv(folder / "accounts.csv", dtype={"status_changed_at": "str"})
        assert (accounts.created_at.str[:10] <= folder.name).all()
        changed = accounts.status_changed_at.dropna()
        assert (changed.str[:10] <= folder.name).all()
        assert (accounts.status_changed_at.notna() == (accounts.status != "active")).all()
    assert set(accounts.status) == {"active", "suspended", "banned"}


def test_a_disguise_can_be_exchanged(tmp_path: Path) -> None:
    shared = {}
    for name in ("none", "all"):
        folder = tmp_path / name
        evasion = Evasion(identity=name)  # type: ignore[arg-type]
        simulate(folder, seed=5, accounts=60, days=1, evasions={"C01": evasion})
        labels = pd.read_csv(folder / "labels.csv")
        accounts = pd.read_csv(next((folder / "accounts").glob("*/*.csv")))
        members = accounts[accounts.account_id.isin(labels[labels.scenario == "C01"].account_id)]
        shared[name] = members.device_hash.duplicated().any()
    assert shared == {"none": False, "all": True}
