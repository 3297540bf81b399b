"""What is read from the published file, and what is said when it is not there."""

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines.errors import UserError
from pipelines.reading import (
    PUBLISHED_FILE,
    read_account,
    read_campaign,
    read_ranking,
    read_report_content,
)

from .conftest import AS_OF, EARLIER, FULL_ACCOUNT, PRIOR, TABLES, PublishedHome


def test_the_newest_list_is_the_default_and_comes_in_rank_order(
    published_home: PublishedHome,
) -> None:
    ranking = read_ranking(published_home.path, None)

    assert ranking.as_of_date == AS_OF
    assert [row.account_id for row in ranking.accounts] == ["acct_full", "acct_lone", "acct_null"]
    assert ranking.account_count == 3
    assert ranking.prior_probability == PRIOR
    assert ranking.previous_as_of == EARLIER
    assert ranking.previous_ranks == {"acct_full": 4}


def test_an_older_list_knows_that_it_is_older(published_home: PublishedHome) -> None:
    ranking = read_ranking(published_home.path, EARLIER)

    assert [row.account_id for row in ranking.accounts] == ["acct_gone", "acct_full"]
    assert ranking.newest_as_of == AS_OF
    assert ranking.previous_as_of is None


def test_top_limits_what_is_read_and_not_what_is_counted(published_home: PublishedHome) -> None:
    ranking = read_ranking(published_home.path, AS_OF, top=1)

    assert len(ranking.accounts) == 1
    assert ranking.account_count == 3


def test_values_arrive_with_their_types(published_home: PublishedHome) -> None:
    account = read_account(published_home.path, "acct_full", AS_OF).account

    assert account.first_seen == datetime(2026, 5, 30, 4, 10, tzinfo=UTC)
    assert [reason.bits for reason in account.reasons] == [8.4, 4.2, 3.0]
    assert account.exculpatory[0].signal == "sig_long_history"
    assert account.not_checked == ("sig_tls_sharing", "sig_signup_burst")


def test_what_is_not_known_stays_unknown(published_home: PublishedHome) -> None:
    account = read_account(published_home.path, "acct_null", AS_OF).account

    assert account.score is None
    assert account.requests_28d is None
    assert account.reasons == ()


def test_nan_and_infinity_are_not_numbers(empty_home: PublishedHome) -> None:
    empty_home.add(
        "suspected_extraction_accounts",
        {**FULL_ACCOUNT, "score": float("nan"), "list_price_usd_28d": float("inf")},
    )

    account = read_account(empty_home.path, "acct_full", AS_OF).account

    assert account.score is None
    assert account.list_price_usd_28d is None


def test_a_case_brings_its_campaign_and_every_signal(published_home: PublishedHome) -> None:
    case = read_account(published_home.path, "acct_full", AS_OF)

    assert case.campaign is not None
    assert case.campaign.size == 212
    assert [signal.signal_name for signal in case.signals] == [
        "sig_logit_probe",
        "sig_reasoning_elicitation",
        "sig_tls_sharing",
    ]
    assert read_account(published_home.path, "acct_lone", AS_OF).campaign is None


def test_a_campaign_brings_its_members(published_home: PublishedHome) -> None:
    case = read_campaign(published_home.path, "c-7f3a", AS_OF)

    assert case.campaign.members_added_7d == 18
    assert [member.account_id for member in case.members] == ["acct_full"]


def test_nothing_published_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="extraction-watch run"):
        read_ranking(tmp_path, None)


def test_an_unknown_day_lists_the_nearest(published_home: PublishedHome) -> None:
    with pytest.raises(UserError, match=r"2026-06-20.*2026-06-13, 2026-06-14"):
        read_ranking(published_home.path, date(2026, 6, 20))


def test_an_unknown_account_is_known_on_other_days(published_home: PublishedHome) -> None:
    with pytest.raises(UserError, match=r"on the list of 2026-06-13.*--as-of 2026-06-13"):
        read_account(published_home.path, "acct_gone", AS_OF)


def test_an_account_may_be_seen_and_not_listed(published_home: PublishedHome) -> None:
    with pytest.raises(UserError, match="seen that day"):
        read_account(published_home.path, "acct_quiet", AS_OF)


def test_an_unknown_address_is_told_of_pseudonyms(published_home: PublishedHome) -> None:
    with pytest.raises(UserError, match=r"No other published day.*pseudonym"):
        read_account(published_home.path, "someone@example.org", AS_OF)


def test_an_unknown_campaign_says_so(published_home: PublishedHome) -> None:
    with pytest.raises(UserError, match="'c-none'"):
        read_campaign(published_home.path, "c-none", AS_OF)


def test_an_account_id_is_never_part_of_a_query(published_home: PublishedHome) -> None:
    with pytest.raises(UserError, match="not on the list"):
        read_account(published_home.path, "' or 1=1 --", AS_OF)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    PublishedHome(tmp_path).run("create table something_else (n integer)")

    with pytest.raises(UserError, match="something_else"):
        read_ranking(tmp_path, None)


def test_a_table_without_a_column_is_refused_with_its_name(empty_home: PublishedHome) -> None:
    empty_home.run("alter table suspected_extraction_accounts drop column not_checked")
    empty_home.add("account_features", {"as_of_date": AS_OF, "account_id": "a"})

    with pytest.raises(UserError, match="not_checked"):
        read_ranking(empty_home.path, None)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    (tmp_path / PUBLISHED_FILE).write_bytes(b"not a database" * 1000)

    with pytest.raises(UserError, match="does not open"):
        read_ranking(tmp_path, None)


def test_the_file_is_free_again_after_reading(published_home: PublishedHome) -> None:
    read_report_content(published_home.path, AS_OF, top=10)

    # A writer in the same process is refused for as long as a read-only connection lives.
    with duckdb.connect(str(published_home.path / PUBLISHED_FILE)) as writer:
        assert writer.execute("select 1").fetchone() == (1,)


def test_a_day_that_was_delivered_but_not_ranked_is_not_the_newest_list(
    published_home: PublishedHome,
) -> None:
    later = date(2026, 6, 15)
    published_home.add("ingested_files", {"delivery_date": later, "table_name": "requests"})

    content = read_report_content(published_home.path, None, top=10)

    assert content.ranking.as_of_date == AS_OF
    assert content.day.unranked_deliveries == (later,)
    assert read_ranking(published_home.path, later).accounts == ()


def test_totals_count_the_whole_list(published_home: PublishedHome) -> None:
    totals = read_report_content(published_home.path, AS_OF, top=1).totals

    assert totals.accounts_seen == 4
    assert totals.accounts_at_even_odds == 1
    assert totals.accounts_by_status == {"dismissed": 1, "new": 1, "not stated": 1}


def test_side_tables_may_be_missing_and_are_then_not_known(tmp_path: Path) -> None:
    home = PublishedHome(tmp_path).create_tables(
        ["suspected_extraction_accounts", "suspected_campaigns"]
    )
    home.add("suspected_extraction_accounts", FULL_ACCOUNT)

    content = read_report_content(home.path, None, top=10)

    assert content.totals.accounts_seen is None
    assert content.day.quality_results is None
    assert content.settings is None
    assert content.ranking.prior_probability is None


def test_the_fixture_holds_every_contract_column() -> None:
    """Two sources of truth held together: what is read here and what the fixture writes."""
    from pipelines.reading import ACCOUNT_COLUMNS, CAMPAIGN_COLUMNS

    assert tuple(TABLES["suspected_extraction_accounts"]) == ACCOUNT_COLUMNS
    assert tuple(TABLES["suspected_campaigns"]) == CAMPAIGN_COLUMNS
