"""Plans a population, lets it act day by day, and writes exports and labels.

One day is in memory at a time. Every account has its own random state per day, so a day's
requests depend on the seed, the account and the day alone.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random

from pipelines.errors import UserError
from pipelines.simulation import delivery
from pipelines.simulation.campaigns import CAMPAIGNS, Campaign, Evasion
from pipelines.simulation.grammar import load_grammar
from pipelines.simulation.identities import (
    Account,
    Registration,
    World,
    make_client,
    make_network,
    register,
)
from pipelines.simulation.lookalikes import LOOK_ALIKES, Declaration, company_domain
from pipelines.simulation.ordinary import chat_user, developer, heavy_tailed, product, script
from pipelines.simulation.traffic import Day, Model, Request, list_models

MARK = "simulation.txt"
FEWEST_ACCOUNTS = 40
FEWEST_MEMBERS = 3
LARGEST_EXTRACTION_SHARE = 0.15
ACCOUNTS_PER_INSTANCE = 3_000
# Shares of all accounts; below about 200 accounts the fewest members make them larger.
LOOK_ALIKE_SHARES = {
    "B01": 0.006, "B02": 0.006, "B03": 0.007, "B05": 0.004, "B06": 0.007, "B07": 0.007,
    "B08": 0.007, "B09": 0.008, "B10": 0.02, "B11": 0.006, "B12": 0.005, "B13": 0.033, "B14": 0.02,
}  # fmt: skip
GROUPS = ("B05", "B06", "B10", "B13", "B14")
ORDINARY_KINDS = ("chat", "developer", "product", "script", "quiet")
ORDINARY_SHARES = (38, 20, 17, 15, 10)
BAD_STANDING_SHARE = 0.02
NO_TEXT_SHARE = 0.03
LABEL_COLUMNS = ("account_id", "label", "scenario", "campaign", "pool")
ACCOUNT_COLUMNS = (
    "account_id", "created_at", "org_id", "parent_org_id", "plan", "monthly_fee_usd", "program",
    "email_domain", "email_hash", "payment_hash", "payment_bin", "virtual_card", "signup_ip",
    "device_hash", "status", "status_changed_at",
)  # fmt: skip
COUNTER_COLUMNS = ("account_id", "usage_date", "request_count", "input_tokens", "output_tokens")


@dataclass(frozen=True)
class SimulationSummary:
    """What a simulation wrote: `rows` request rows as delivered, and accounts per scenario."""

    rows: int
    accounts: int
    days: int
    scenarios: dict[str, int]

    @property
    def extraction_accounts(self) -> int:
        return sum(count for name, count in self.scenarios.items() if name.startswith("C"))


def simulate(
    out: Path,
    *,
    seed: int,
    accounts: int,
    days: int,
    first_day: date = date(2026, 9, 1),
    evasions: Mapping[str, Evasion] | None = None,
) -> SimulationSummary:
    """Write labelled exports in the native format under `out`; equal arguments, equal bytes.

    Writes `requests/`, `accounts/` and `usage_counters/` for each day, and `model_releases.csv`,
    `declared_parties.csv` and `labels.csv`. An earlier simulation in `out` is replaced.
    `evasions` gives scenarios (C01 …) another disguise than their usual one.

    Raises `UserError` if `out` holds anything else, if the numbers are too small, or if
    `evasions` names an unknown scenario.
    """
    evasions = evasions or {}
    _check(out, accounts, days, evasions)
    world = _make_world(seed, days, first_day)
    population, declarations = _populate(world, accounts, evasions)
    _clear(out)
    (out / MARK).write_text(
        f"Simulated exports: seed {seed}, {accounts} accounts, {days} days from {first_day}.\n"
        "This file marks a folder that another simulation may replace.\n",
        encoding="utf-8",
    )
    _write_references(out, world, population, declarations)
    rows = _write_days(out, world, population)
    counts = Counter(account.scenario for account in population)
    return SimulationSummary(rows, len(population), days, dict(sorted(counts.items())))


def _check(out: Path, accounts: int, days: int, evasions: Mapping[str, Evasion]) -> None:
    unknown = sorted(set(evasions) - set(CAMPAIGNS))
    if unknown:
        raise UserError(f"expected evasions for {', '.join(CAMPAIGNS)}, found {', '.join(unknown)}")
    if accounts < FEWEST_ACCOUNTS:
        raise UserError(
            f"a simulation needs at least {FEWEST_ACCOUNTS} accounts to hold a campaign among "
            f"others, found {accounts}: ask for more"
        )
    if days < 1:
        raise UserError(f"a simulation needs at least 1 day, found {days}: ask for more")
    if out.exists() and not out.is_dir():
        raise UserError(f"expected a folder to write to, found a file: {out}; name another")
    if out.is_dir() and any(out.iterdir()) and not (out / MARK).is_file():
        raise UserError(
            f"expected an empty folder or an earlier simulation, found other files in {out}; "
            "name another folder"
        )


def _clear(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name in ("requests", "accounts", "usage_counters"):
        if (out / name).is_dir():
            shutil.rmtree(out / name)


def _make_world(seed: int, days: int, first_day: date) -> World:
    release_index = min(days - 1, round(days * 0.4))
    release = datetime.combine(first_day + timedelta(days=release_index), time(15))
    return World(
        seed=seed,
        days=days,
        first_day=first_day,
        grammar=load_grammar(),
        models=list_models(release),
        release_index=release_index,
        release=release,
    )


def _populate(
    world: World, accounts: int, evasions: Mapping[str, Evasion]
) -> tuple[list[Account], list[Declaration]]:
    """Return the accounts, in an order that says nothing, and the declared parties."""
    population: list[Account] = []
    declarations: list[Declaration] = []
    for name, scenario, members in _plan_campaigns(accounts):
        rng = world.rng(name)
        plan = CAMPAIGNS[scenario]
        evasion = evasions.get(scenario, plan.evasion)
        population += plan.make(Campaign(world, rng, name, scenario, members, evasion))
    for scenario, members in _plan_look_alikes(accounts, len(population)).items():
        made = LOOK_ALIKES[scenario](world, world.rng(scenario), members)
        population += made.accounts
        declarations += made.declarations
    rng = world.rng("ordinary")
    population += [_ordinary(world, rng) for _ in range(accounts - len(population))]
    declarations += _other_declarations(world, population)
    population.sort(key=lambda account: account.registration.account_id)
    return population, declarations


def _plan_campaigns(accounts: int) -> list[tuple[str, str, int]]:
    """Return (campaign, scenario, members); few accounts hold fewer campaigns, not smaller ones."""
    instances = max(1, accounts // ACCOUNTS_PER_INSTANCE)
    plans: list[tuple[str, str, int]] = []
    taken = 0
    for scenario, plan in CAMPAIGNS.items():
        fewest = 2 * FEWEST_MEMBERS if scenario == "C02" else FEWEST_MEMBERS
        members = max(fewest, round(plan.share * accounts / instances))
        for number in range(instances):
            if plans and taken + members > LARGEST_EXTRACTION_SHARE * accounts:
                continue
            name = f"{scenario}-{number + 1}"
            plans.append((name, scenario, members))
            taken += members
    return plans


def _plan_look_alikes(accounts: int, taken: int) -> dict[str, int]:
    """Return members per class of look-alikes, as far as half of the other accounts reach."""
    room = (accounts - taken) // 2
    members: dict[str, int] = {}
    for scenario, share in LOOK_ALIKE_SHARES.items():
        fewest = FEWEST_MEMBERS if scenario in GROUPS and scenario != "B05" else 1
        wanted = max(fewest, round(share * accounts))
        if wanted <= room:
            members[scenario] = wanted
            room -= wanted
    return members


def _ordinary(world: World, rng: Random) -> Account:
    """Return one ordinary account."""
    kind = rng.choices(ORDINARY_KINDS, ORDINARY_SHARES)[0]
    company = company_domain(world, rng) if kind in ("product", "script") else None
    if kind == "developer" and rng.random() < 0.4:
        company = company_domain(world, rng)
    registration = register(world, rng, company=company if rng.random() < 0.7 else None)
    network = make_network(rng, company=company)
    if kind in ("chat", "quiet"):
        client = make_client(world, rng, registration, use="person", network=network)
        daily = 0.5 if kind == "quiet" else heavy_tailed(rng, 4.5, 0.9, 45)
        behaviour = chat_user(world, client, rng, daily=daily)
    elif kind == "developer":
        client = make_client(world, rng, registration, use="coding", network=network)
        behaviour = developer(world, client, rng, daily=heavy_tailed(rng, 9, 0.8, 60))
    else:
        client = make_client(world, rng, registration, use="library", network=network)
        client = replace(client, keeps_text=rng.random() >= NO_TEXT_SHARE * 2)
        if kind == "product":
            behaviour = product(world, client, rng, daily=heavy_tailed(rng, 6.5, 1.0, 90))
        else:
            behaviour = script(world, client, rng, daily=heavy_tailed(rng, 6.5, 1.0, 90))
    starts = 0
    if rng.random() < 0.12:
        starts = rng.randrange(world.days)
        arrived = datetime.combine(world.day(starts).date, time()) - timedelta(
            seconds=int(rng.random() * 90_000)
        )
        registration = replace(registration, created_at=arrived)
    ends = starts + rng.randrange(1, world.days + 1) if rng.random() < 0.1 else None
    changes: tuple[tuple[datetime, str], ...] = ()
    if rng.random() < BAD_STANDING_SHARE and ends is None and world.days > 1:
        # Unpaid bills, stolen cards, spam: most bans have nothing to do with extraction.
        ends = starts + rng.randrange(1, world.days)
        ended = world.day(ends).at(rng.random() * 30_000)
        changes = ((ended, "banned" if rng.random() < 0.5 else "suspended"),)
    return Account(registration, behaviour, "ordinary", starts=starts, ends=ends, changes=changes)


def _other_declarations(world: World, population: Sequence[Account]) -> list[Declaration]:
    """Return declarations of ordinary parties, one of them expired."""
    quiet = [a.registration.account_id for a in population if a.scenario == "ordinary"][:3]
    kinds = (
        ("internal", "own staff", None),
        ("evaluator", "pilot of last year", world.first_day - timedelta(days=30)),
        ("internal", "smoke tests", None),
    )
    return [
        Declaration(account_id, None, *kind) for account_id, kind in zip(quiet, kinds, strict=False)
    ]


def _write_references(
    out: Path, world: World, population: Sequence[Account], declarations: Sequence[Declaration]
) -> None:
    models: Iterable[Model] = world.models.values()
    delivery.write_table(
        out / "model_releases.csv",
        ("model", "released_at", "tier"),
        [(model.name, model.released_at, model.tier) for model in models],
    )
    delivery.write_table(
        out / "declared_parties.csv",
        ("account_id", "org_id", "kind", "reason", "expires_on"),
        [(d.account_id, d.org_id, d.kind, d.reason, d.expires_on) for d in declarations],
    )
    delivery.write_table(
        out / "labels.csv",
        LABEL_COLUMNS,
        [(a.registration.account_id, a.label, a.scenario, a.campaign, a.pool) for a in population],
    )


def _write_days(out: Path, world: World, population: Sequence[Account]) -> int:
    delivered_rows = 0
    held: list[Request] = []
    counted: list[Request] = []
    for index in range(world.days):
        day = world.day(index)
        rng = world.rng("delivery", index)
        acted = [request for account in population for request in _act(world, account, day)]
        counted = [row for row in (*acted, *counted) if row.started_at.date() >= day.date]
        today, held = delivery.split_late(rng, [*held, *acted], day.date)
        rows = delivery.with_faults(rng, today)
        delivered_rows += len(rows)
        name = day.date.isoformat()
        delivery.write_requests(out / "requests" / name, index, rows)
        delivery.write_table(
            out / "accounts" / name / "accounts.csv",
            ACCOUNT_COLUMNS,
            [_snapshot(a, day) for a in population if a.registration.created_at.date() <= day.date],
        )
        delivery.write_table(
            out / "usage_counters" / name / "counters.csv",
            COUNTER_COLUMNS,
            _count([row for row in counted if row.started_at.date() == day.date], day.date),
        )
    return delivered_rows


def _act(world: World, account: Account, day: Day) -> Iterable[Request]:
    if day.index < account.starts or (account.ends is not None and day.index >= account.ends):
        return ()
    created = account.registration.created_at
    requests = account.behaviour(day, world.rng(account.registration.account_id, day.index))
    return (request for request in requests if request.started_at >= created)


def _snapshot(account: Account, day: Day) -> tuple[object, ...]:
    registration: Registration = account.registration
    status, since = account.status_on(day.date)
    known = [getattr(registration, name) for name in ACCOUNT_COLUMNS[:-2]]
    return (*known, status, since)


def _count(rows: Sequence[Request], usage_date: date) -> list[tuple[object, ...]]:
    """Return the gateway's own count of what was asked that day, late rows included."""
    totals: dict[str, list[int]] = {}
    for row in rows:
        sums = totals.setdefault(row.account_id, [0, 0, 0])
        sums[0] += 1
        sums[1] += row.input_tokens or 0
        sums[2] += row.output_tokens or 0
    return [(account_id, usage_date, *sums) for account_id, sums in sorted(totals.items())]
