"""What one file says and another relies on: held together here, so that neither drifts."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.dbt_graph import DUPLICATE_LOOKBACK_DAYS, WINDOW_DAYS

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "dbt_project"
SIGNALS = PROJECT / "signals"
MODELS = sorted([*(PROJECT / "models").rglob("*.sql"), *SIGNALS.glob("*.sql")])
SIGNAL_MODELS = sorted(SIGNALS.glob("sig_*.sql"))
FIVE_LINES = ("Sees:", "Means:", "Innocent:", "Blind to:", "Next:")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def properties(sql: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(sql.with_suffix(".yml").read_text(encoding="utf-8"))
    return loaded


def levels_of(sql: str) -> set[str]:
    return set(re.findall(r"(?:then|else) '(\w+)'", sql.split("as level_name")[0]))


@pytest.mark.parametrize("sql", MODELS, ids=lambda path: path.stem)
def test_every_model_asks_a_question_and_states_its_grain(sql: Path) -> None:
    first_line = sql.read_text(encoding="utf-8").splitlines()[0]
    assert first_line.startswith("-- "), f"{sql.name}: the first line is the question it answers"
    (model,) = properties(sql)["models"]
    assert model["name"] == sql.stem
    last_sentence = model["description"].strip().split(". ")[-1].split("\n")[-1]
    assert "One row per" in last_sentence, f"{sql.stem}: a description ends with the grain"


@pytest.mark.parametrize("sql", MODELS, ids=lambda path: path.stem)
def test_no_model_knows_the_clock_or_chance(sql: Path) -> None:
    text = re.sub(r"--.*", "", sql.read_text(encoding="utf-8")).lower()
    assert not re.search(r"current_date|current_timestamp|\bnow\(|\brandom\(|\btoday\(", text)


@pytest.mark.parametrize("sql", MODELS, ids=lambda path: path.stem)
def test_the_last_step_is_named_and_selected(sql: Path) -> None:
    text = sql.read_text(encoding="utf-8").strip()
    if text.count("select") > 1 and "with " in text:
        assert re.search(r"select (\*|distinct \w+) from \w+$", text), sql.stem


@pytest.mark.parametrize("sql", SIGNAL_MODELS, ids=lambda path: path.stem)
def test_a_signal_is_whole(sql: Path) -> None:
    """Levels in SQL, weights and unit test are one set; the five lines are there."""
    levels = levels_of(sql.read_text(encoding="utf-8"))
    weights = {
        row["level_name"]
        for row in rows(SIGNALS / "signal_weights.csv")
        if row["signal_name"] == sql.stem
    }
    assert weights == levels
    loaded = properties(sql)
    (unit_test,) = loaded["unit_tests"]
    tested = {row["level_name"] for row in unit_test["expect"]["rows"]}
    assert tested == levels, f"{sql.stem}: a level that no unit test reaches"
    (model,) = loaded["models"]
    for line in FIVE_LINES:
        assert line in model["description"], f"{sql.stem}: the description lacks {line!r}"


def test_signals_in_sql_families_roll_call_and_docs_are_one_set() -> None:
    in_sql = {path.stem for path in SIGNAL_MODELS}
    assert {row["signal_name"] for row in rows(SIGNALS / "signal_weights.csv")} == in_sql
    assert {row["signal_name"] for row in rows(SIGNALS / "signal_families.csv")} == in_sql
    roll_call = (SIGNALS / "account_signals.sql").read_text(encoding="utf-8")
    assert set(re.findall(r"^    '(sig_\w+)',$", roll_call, flags=re.MULTILINE)) == in_sql
    documented = (ROOT / "docs" / "signals.md").read_text(encoding="utf-8")
    assert {name for name in in_sql if f"`{name}`" in documented} == in_sql


def test_every_family_has_a_cap_and_is_used() -> None:
    capped = {row["family"] for row in rows(SIGNALS / "families.csv")}
    assert {row["family"] for row in rows(SIGNALS / "signal_families.csv")} == capped


def test_weights_are_bits_with_a_stated_basis_and_unknown_is_never_evidence() -> None:
    for row in rows(SIGNALS / "signal_weights.csv"):
        assert row["basis"] in ("judged", "estimated"), row
        assert abs(float(row["bits"])) <= 8, row
        if row["level_name"] == "unknown":
            assert float(row["bits"]) == 0, row


def test_volume_and_rhythm_carry_nobody_to_the_top_alone() -> None:
    """The context family is capped far below what lifts the prior to one half."""
    (context,) = [row for row in rows(SIGNALS / "families.csv") if row["family"] == "context"]
    assert float(context["most_bits"]) <= 1


def test_no_origin_is_evidence() -> None:
    """No country, nationality or language of a person is a column of a feature or a signal."""
    for path in [*SIGNAL_MODELS, PROJECT / "models" / "features" / "account_features.sql"]:
        text = path.read_text(encoding="utf-8").lower()
        assert not re.search(r"\b(country|nationality|language|locale|script)\b", text), path.name


def test_dbt_and_python_agree_on_what_a_delivery_can_change() -> None:
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["vars"]["window_days"] == WINDOW_DAYS
    assert project["vars"]["duplicate_lookback_days"] == DUPLICATE_LOOKBACK_DAYS


def test_the_readme_names_only_commands_that_exist() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z][a-z-]*)", readme)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"make {target}"
    listed = CliRunner().invoke(app, ["--help"], terminal_width=200).output
    for command in set(re.findall(r"extraction-watch ([a-z]+)", readme)):
        assert re.search(rf"\b{command}\b", listed), f"extraction-watch {command}"
    assert len(readme.splitlines()) < 150


def test_every_command_of_the_command_line_is_in_the_readme_or_the_operations_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8") + (
        ROOT / "docs" / "operations.md"
    ).read_text(encoding="utf-8")
    for command in app.registered_commands:
        assert command.callback is not None
        assert f"extraction-watch {command.callback.__name__}" in text, command.callback.__name__


def test_no_file_names_a_package_registry_or_a_path_of_a_machine() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in lock
    assert "--index-url" not in lock
