"""Each scenario shows the trait it stands for, seen from outside: in requests and accounts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from tests.simulation.conftest import Export

PROBE = "reasoning_extraction"


def accounts_of(export: Export, scenario: str) -> pd.DataFrame:
    members = export.labels[export.labels.scenario == scenario]
    return export.accounts.merge(members, on="account_id")


def per_active_day(requests: pd.DataFrame) -> pd.Series:
    """Return each account's mean requests on a day with any."""
    days = requests.started_at.dt.date
    return requests.groupby(["account_id", days]).size().groupby("account_id").mean()


def share_of_commonest(texts: pd.Series) -> float:
    return float(texts.value_counts(normalize=True).iloc[0])


def with_predecessor(requests: pd.DataFrame) -> pd.Series:
    """For each later turn: was the turn before really sent in that session?"""
    turns = requests.dropna(subset=["session_id", "turn"])
    sent = set(zip(turns.account_id, turns.session_id, turns.turn, strict=True))
    later = turns[turns.turn > 1]
    keys = zip(later.account_id, later.session_id, later.turn - 1, strict=True)
    return pd.Series([key in sent for key in keys], index=later.index, dtype=bool)


def before_last_day(requests: pd.DataFrame) -> pd.DataFrame:
    """Leave out the last day, of which a late turn is still on its way."""
    return requests[requests.started_at.dt.date < requests.started_at.dt.date.max()]


def test_follow_ups_of_ordinary_accounts_were_really_sent(export: Export) -> None:
    ordinary = before_last_day(export.of("ordinary"))
    followed = with_predecessor(ordinary)
    assert len(followed) > 1000
    # A late turn may lie in front of a session that runs past midnight; the rest is there.
    assert followed.mean() > 0.995


def test_ordinary_volumes_are_heavy_tailed(export: Export) -> None:
    volumes = export.of("ordinary").groupby("account_id").size()
    assert volumes.max() > 8 * volumes.median()


def test_c01_is_a_large_pool_of_quiet_accounts_with_one_instruction(export: Export) -> None:
    requests = export.of("C01")
    assert 20 < per_active_day(requests).mean() < 36
    assert requests.account_id.nunique() >= 12
    assert share_of_commonest(requests.prompt.str.split("\n").str[-1]) > 0.6
    assert not accounts_of(export, "C01").payment_hash.dropna().duplicated().any()


def test_c02_fails_over_within_72_hours_of_the_ban(export: Export) -> None:
    accounts = accounts_of(export, "C02")
    first = accounts[accounts.pool.str.endswith("-a")]
    second = accounts[accounts.pool.str.endswith("-b")]
    requests = export.of("C02")
    answered = requests[requests.http_status == 200]
    stopped = answered[answered.account_id.isin(first.account_id)].started_at.max()
    resumed = answered[answered.account_id.isin(second.account_id)].started_at.min()
    assert set(first.status) == {"banned"}
    assert set(second.status) == {"active"}
    assert pd.Timedelta(0) < resumed - stopped < pd.Timedelta(hours=72)
    endings = answered.prompt.str.split("\n").str[-1]
    of_first = answered.account_id.isin(first.account_id)
    assert endings[of_first].mode()[0] == endings[~of_first].mode()[0]


def test_c03_shares_its_queue_evenly_and_its_cards(export: Export) -> None:
    loads = export.of("C03").groupby("account_id").size()
    assert loads.max() < 1.2 * loads.min()
    cards = accounts_of(export, "C03").payment_hash.dropna()
    assert cards.nunique() < len(cards)


def test_c05_moves_half_of_its_work_within_a_day_of_the_release(export: Export) -> None:
    released = release_of(export, "meridian-5-large")
    requests = export.of("C05")
    age = requests.started_at - released
    next_day = requests[(age > pd.Timedelta(hours=3)) & (age < pd.Timedelta(hours=27))]
    assert 0.3 < (next_day.model == "meridian-5-large").mean() < 0.75


def test_c08_takes_transcripts_and_takes_turns(export: Export) -> None:
    requests = export.of("C08")
    assert requests.prompt.str.contains("Assistant:", regex=False).mean() > 0.95
    days = requests.assign(day=requests.started_at.dt.date).groupby("account_id").day.unique()
    assert all(
        (later - earlier).days >= 2
        for seen in days
        for earlier, later in zip(sorted(seen), sorted(seen)[1:], strict=False)
    )


def test_c09_replays_sessions_that_were_never_held_here(export: Export) -> None:
    requests = export.of("C09")
    replayed = requests[requests.prompt.str.startswith("User:", na=False)]
    assert not with_predecessor(replayed).any()
    assert 9 < per_active_day(replayed).mean() < 17


def test_c10_is_refused_first_and_scaled_later(export: Export) -> None:
    requests = export.of("C10")
    day = (requests.started_at - export.requests.started_at.min()).dt.days
    early, late = requests[day < 4], requests[day >= 4]
    assert (early.stop_category == PROBE).mean() > 0.7
    refused = early[early.stop_category == PROBE].prompt
    assert refused.nunique() > 0.95 * len(refused)
    assert 0 < (late.stop_category == PROBE).mean() < 0.15
    assert len(late) > 2 * len(early)


def test_c12_hides_among_real_traffic_and_shares_nothing(export: Export) -> None:
    requests = export.of("C12")
    assert with_predecessor(before_last_day(requests)).mean() > 0.97
    firsts = requests[requests.turn.fillna(1) == 1].prompt.dropna()
    assert share_of_commonest(firsts.str[:60]) < 0.05
    accounts = accounts_of(export, "C12")
    assert not accounts.payment_hash.dropna().duplicated().any()
    assert not accounts.device_hash.dropna().duplicated().any()


def test_b01_repeats_its_items_night_after_night(export: Export) -> None:
    requests = export.of("B01")
    for _, own in requests.groupby("account_id"):
        nights = own.groupby(own.started_at.dt.date).prompt.agg(set)
        first, second = nights.iloc[2], nights.iloc[3]
        assert len(first & second) > 0.5 * len(first)


def test_b02_puts_its_items_to_every_model_at_the_release(export: Export) -> None:
    requests = export.of("B02")
    released = release_of(export, "meridian-5-large")
    busy = requests[(requests.started_at - released).abs() < pd.Timedelta(hours=48)]
    assert len(busy) > 0.9 * len(requests)
    assert busy.model.value_counts().head(4).min() > 0.15 * len(busy)


def test_b03_gets_a_word_back_in_batches_on_cheap_models(export: Export) -> None:
    requests = export.of("B03")
    assert requests.batch.astype(bool).all()
    assert requests.output_tokens.max() < 10
    assert requests.model.isin(["meridian-4-small", "corvus-3-flash"]).all()


def test_b05_is_one_declared_organisation_with_many_end_users(export: Export) -> None:
    requests = export.of("B05")
    declared = pd.read_csv(export.folder / "declared_parties.csv")
    assert requests.org_id.nunique() == 1
    assert requests.end_user_id.nunique() > 60
    resellers = declared[declared.kind == "reseller"].org_id
    assert resellers.tolist() == requests.org_id.unique().tolist()


def test_b06_uses_tools_in_long_sessions_from_many_addresses(export: Export) -> None:
    requests = export.of("B06")
    assert (requests.tools_count > 0).all()
    assert requests.groupby("session_id").turn.max().mean() > 4
    assert requests.groupby("account_id").api_key_id.nunique().max() == 1
    assert requests.groupby("account_id").ip.nunique().min() > 10


def test_b08_starts_at_its_full_rate(export: Export) -> None:
    for _, own in export.of("B08").groupby("account_id"):
        days = own.groupby(own.started_at.dt.date).size()
        assert days.iloc[0] > 0.5 * days.median()


def test_half_of_b09_is_declared(export: Export) -> None:
    members = accounts_of(export, "B09").account_id
    declared = pd.read_csv(export.folder / "declared_parties.csv")
    assert declared[declared.kind == "synthetic_data"].account_id.isin(members).all()
    assert members.isin(declared.account_id).sum() == (len(members) + 1) // 2


def test_b10_shares_a_system_prompt_under_one_declared_parent(export: Export) -> None:
    assert share_of_commonest(export.of("B10").system_prompt) == 1
    accounts = accounts_of(export, "B10")
    assert accounts.parent_org_id.nunique() == 1
    assert accounts.parent_org_id.notna().all()


def test_b13_is_one_class_in_one_week(export: Export) -> None:
    accounts, requests = accounts_of(export, "B13"), export.of("B13")
    assert accounts.email_domain.nunique() == 1
    assert requests.ip.str.rsplit(".", n=1).str[0].nunique() <= 2
    assert requests.started_at.max() - requests.started_at.min() < pd.Timedelta(days=7.5)
    assert with_predecessor(before_last_day(requests)).mean() > 0.99


def test_b14_uses_the_relay_of_a_campaign_without_belonging_to_it(export: Export) -> None:
    honest, campaign = accounts_of(export, "B14"), accounts_of(export, "C09")
    assert set(honest.pool) == set(campaign.pool) == {"relay-1"}
    networks = [
        set(export.of(scenario).ip.dropna().str.rsplit(".", n=1).str[0])
        for scenario in ("B14", "C09")
    ]
    assert networks[0] & networks[1]


def test_releases_and_tiers_of_all_models_are_stated(export: Export) -> None:
    releases = pd.read_csv(export.folder / "model_releases.csv")
    assert set(export.requests.model) <= set(releases.model)
    assert releases.notna().all().all()


def release_of(export: Export, model: str) -> pd.Timestamp:
    releases = pd.read_csv(export.folder / "model_releases.csv").set_index("model")
    return pd.Timestamp(releases.released_at[model])


def test_every_scenario_is_documented(export: Export) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "simulator.md").read_text("utf-8")
    scenarios = set(export.labels.scenario) - {"ordinary"}
    assert [name for name in sorted(scenarios) if f"\n| {name} |" not in page] == []
