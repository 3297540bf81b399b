"""The extraction campaigns, one function each, named as in docs/simulator.md.

Intensity per account and day follows the public figures of 2026; where a figure would swamp a
small population it is scaled by the campaign's own `intensity`, which the table at the end
states. What a campaign does to stay unseen is its `Evasion`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from pipelines.simulation import rhythm
from pipelines.simulation.grammar import Grammar, pick
from pipelines.simulation.identities import (
    PAYMENT_BINS,
    VIRTUAL_BINS,
    Account,
    Behaviour,
    Client,
    Registration,
    World,
    hexadecimal,
    make_client,
    make_network,
    register,
)
from pipelines.simulation.lookalikes import RELAY_POOL, relay_identity
from pipelines.simulation.ordinary import chat_user, developer, mixed
from pipelines.simulation.traffic import Day, Request

LARGE = "meridian-4-large"
NEWEST = "meridian-5-large"
REFUSAL = ("refusal", "reasoning_extraction")
REFUSED_TEXTS = ("I can't share that.", "I won't reveal internal notes.", "Not possible, sorry.")
CARD_SHARING = 4
MODEL_MIXES = (
    (LARGE,),
    (LARGE, LARGE, "corvus-3-pro"),
    (LARGE, "meridian-4-medium"),
    ("corvus-3-pro", LARGE, "meridian-4-medium"),
)
MAX_TEMPERATURES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 1.0, None)


@dataclass(frozen=True)
class Evasion:
    """How a campaign hides.

    paraphrase: share of requests whose template is reworded. mix_in: share of an account's
    requests that are ordinary. jitter_hours: by how much work strays from its slot. identity:
    what members visibly share. random_parameters: temperature and limits drawn anew for each
    request. intensity: factor on the public requests per account and day.
    """

    paraphrase: float = 0.0
    mix_in: float = 0.0
    jitter_hours: float = 1.0
    identity: Literal["all", "payment", "none"] = "payment"
    random_parameters: bool = False
    intensity: float = 1.0


@dataclass(frozen=True)
class Campaign:
    """What one campaign needs to make its members."""

    world: World
    rng: Random
    name: str
    scenario: str
    members: int
    evasion: Evasion

    @property
    def grammar(self) -> Grammar:
        return self.world.grammar

    def daily(self, published: float) -> float:
        """Return the payload requests per account and day after scaling."""
        return published * self.evasion.intensity

    def item_rng(self, number: int) -> Random:
        """Return the random state of the campaign's n-th seed task."""
        return self.world.rng(self.name, "item", number)


def fixed_prompt_harvest(campaign: Campaign) -> tuple[Account, ...]:
    """C01: one instruction behind every task, a large pool of quiet accounts, no common rhythm."""
    rng, grammar = campaign.rng, campaign.grammar
    suffix = grammar.say(rng, "harvest")
    recruits = _recruit(campaign, campaign.members)
    daily = campaign.daily(25.6)
    backlog = int(campaign.members * daily * campaign.world.days)
    accounts = []
    for registration, client in recruits:
        # Accounts come and go, so that each is busy for a part of the campaign.
        starts = rng.randrange(max(1, campaign.world.days // 3))
        ends = starts + max(3, round(campaign.world.days * rng.uniform(0.3, 0.65)))

        def payload(day: Day, rng: Random, client: Client = client) -> Iterator[Request]:
            for now in _spread(rng, rhythm.count(rng, daily), campaign, client):
                item = campaign.item_rng(int(rng.random() * backlog))
                prompt = f"{_coding_item(grammar, item)}\n\n{_wording(campaign, rng, suffix)}"
                yield from _send(campaign, client, rng, day.at(now), prompt)

        accounts.append(
            _member(campaign, registration, client, payload, daily, starts=starts, ends=ends)
        )
    return tuple(accounts)


def failover_harvest(campaign: Campaign) -> tuple[Account, ...]:
    """C02: the same in peak mode; the first pool is banned, a second is at work within 72 h."""
    rng, grammar, world = campaign.rng, campaign.grammar, campaign.world
    suffix = grammar.say(rng, "harvest")
    system = grammar.say(rng, "role")
    daily = campaign.daily(857)
    ban = world.day(max(1, round(world.days * 0.45)))
    gap = 1 + rng.randrange(2)
    accounts = []
    for pool, how_many in (("a", (campaign.members + 1) // 2), ("b", campaign.members // 2)):
        for registration, client in _recruit(campaign, how_many):
            banned_at = ban.at(9 * 3600 + rng.random() * 4 * 3600)
            if pool == "b":
                made = banned_at - timedelta(
                    days=rng.uniform(0, 40) if rng.random() < 0.6 else -0.4
                )
                registration = replace(registration, created_at=made.replace(microsecond=0))

            def payload(day: Day, rng: Random, client: Client = client) -> Iterator[Request]:
                for now in _spread(rng, rhythm.count(rng, daily), campaign, client):
                    prompt = f"{_coding_item(grammar, rng)}\n\n{_wording(campaign, rng, suffix)}"
                    yield from _send(campaign, client, rng, day.at(now), prompt, system=system)

            behaviour = _with_mix(campaign, client, payload, daily)
            if pool == "a":
                behaviour = _until(behaviour, banned_at)
            accounts.append(
                Account(
                    registration,
                    behaviour,
                    campaign.scenario,
                    "extraction",
                    campaign.name,
                    f"{campaign.name}-pool-{pool}",
                    starts=0 if pool == "a" else ban.index + gap,
                    changes=((banned_at, "banned"),) if pool == "a" else (),
                )
            )
    return tuple(accounts)


def graded_reasoning(campaign: Campaign) -> tuple[Account, ...]:
    """C03: a small group shares one queue in turn: rubric marks, and thoughts for given answers."""
    rng, grammar, world = campaign.rng, campaign.grammar, campaign.world
    rubric, posthoc = grammar.say(rng, "reward"), grammar.say(rng, "posthoc")
    recruits = _recruit(campaign, campaign.members)
    daily = campaign.daily(14)
    accounts = []
    for place, (registration, client) in enumerate(recruits):

        def payload(
            day: Day, rng: Random, client: Client = client, place: int = place
        ) -> Iterator[Request]:
            queue = world.rng(campaign.name, "queue", day.index)
            moments = rhythm.all_day(queue, rhythm.count(queue, daily * campaign.members))
            for now in moments[place :: campaign.members]:
                task = grammar.say(rng, rng.choice(("puzzle", "codetask", "clause")))
                answer = "\n".join(
                    grammar.several(rng, "working", pick(rng, grammar.topics), 1 + rng.randrange(4))
                )
                if rng.random() < 0.5:
                    prompt = f"{rubric}\n\nQuestion:\n{task}\n\nAnswer:\n{answer}"
                    response = f"Mostly sound.\n<reward>{rng.randrange(1, 11)}</reward>"
                else:
                    asked = _wording(campaign, rng, posthoc, "posthoc")
                    prompt = f"{asked}\n\nQ: {task}\nA: {answer}"
                    response = _long_thought(grammar, rng)
                yield from _send(campaign, client, rng, day.at(now), prompt, response=response)

        accounts.append(_member(campaign, registration, client, payload, daily))
    return tuple(accounts)


def release_pivot(campaign: Campaign) -> tuple[Account, ...]:
    """C05: an analyst's role as template; half of the work moves to a new model within a day."""
    rng, grammar, world = campaign.rng, campaign.grammar, campaign.world
    role = grammar.say(rng, "role")
    daily = campaign.daily(14)
    accounts = []
    for registration, client in _recruit(campaign, campaign.members):

        def payload(day: Day, rng: Random, client: Client = client) -> Iterator[Request]:
            for now in _spread(rng, rhythm.count(rng, daily), campaign, client):
                at = day.at(now)
                moved = at > world.release + timedelta(hours=3) and rng.random() < 0.55
                topic = pick(rng, grammar.topics)
                data = ", ".join(str(rng.randrange(2, 990)) for _ in range(rng.randrange(6, 16)))
                question = grammar.say(rng, rng.choice(("puzzle", "question")), topic)
                prompt = f"{_wording(campaign, rng, role, 'rolevar')}\n\nData: {data}\n{question}"
                yield from _send(
                    campaign, client, rng, at, prompt, model=NEWEST if moved else LARGE
                )

        accounts.append(_member(campaign, registration, client, payload, daily))
    return tuple(accounts)


def cleaner_and_judge(campaign: Campaign) -> tuple[Account, ...]:
    """C08: transcripts go in, cleaned traces or marks come out; accounts take turns by the day."""
    rng, grammar = campaign.rng, campaign.grammar
    cleaner, judge = grammar.say(rng, "cleaner"), grammar.say(rng, "judge")
    daily = campaign.daily(1_099)
    accounts = []
    for place, (registration, client) in enumerate(_recruit(campaign, campaign.members)):

        def payload(
            day: Day, rng: Random, client: Client = client, place: int = place
        ) -> Iterator[Request]:
            if (day.index + place) % 2:
                return
            for now in _spread(rng, rhythm.count(rng, daily), campaign, client):
                traces = [_transcript(grammar, rng, 1 + rng.randrange(2)) for _ in range(2)]
                if rng.random() < 0.55:
                    prompt = f"{_wording(campaign, rng, cleaner, 'cleanervar')}\n\n{traces[0]}"
                    response = "\n".join(grammar.several(rng, "working", "", 3 + rng.randrange(5)))
                else:
                    prompt = f"{judge}\n\n[a]\n{traces[0]}\n\n[b]\n{traces[1]}"
                    response = (
                        f'{{"a":{rng.randrange(20, 99)},"b":{rng.randrange(20, 99)},"keep":"a"}}'
                    )
                yield from _send(campaign, client, rng, day.at(now), prompt, response=response)

        accounts.append(_member(campaign, registration, client, payload, daily))
    return tuple(accounts)


def session_replay(campaign: Campaign) -> tuple[Account, ...]:
    """C09: whole foreign sessions are replayed, low and slow, over a relay's accounts.

    The requests claim a later turn, but the turns before were never sent from here.
    """
    grammar, world = campaign.grammar, campaign.world
    instruction = grammar.say(campaign.rng, "replay")
    daily = campaign.daily(13)
    signatures = [hexadecimal(campaign.rng, 16) for _ in range(12)]
    accounts = []
    for _ in range(campaign.members):
        registration, network = relay_identity(world, campaign.rng)
        client = make_client(world, campaign.rng, registration, use="coding", network=network)
        client = replace(
            client,
            pathway="api",
            api_keys=(f"key_{hexadecimal(campaign.rng, 10)}",),
            models=(LARGE, LARGE, "corvus-3-pro"),
        )

        def payload(day: Day, rng: Random, client: Client = client) -> Iterator[Request]:
            for now in _spread(rng, rhythm.count(rng, daily), campaign, client):
                turns = 2 + rng.randrange(4)
                asked = _wording(campaign, rng, instruction, "replayvar")
                prompt = f"{_transcript(grammar, rng, turns)}\n\n{asked}"
                yield from _send(
                    campaign,
                    client,
                    rng,
                    day.at(now),
                    prompt,
                    session_id=f"s_{hexadecimal(rng, 16)}",
                    turn=turns + 1,
                    signature=pick(rng, signatures) if rng.random() < 0.2 else None,
                )

        accounts.append(_member(campaign, registration, client, payload, daily, pool=RELAY_POOL))
    return tuple(accounts)


def probe_then_scale(campaign: Campaign) -> tuple[Account, ...]:
    """C10: a few accounts try one trick after another and are refused; the winner is scaled."""
    rng, grammar, world = campaign.rng, campaign.grammar, campaign.world
    turning_point = max(1, world.days // 3)
    probers = max(1, campaign.members // 3)
    winner = grammar.say(rng, "harvest")
    daily = campaign.daily(22)
    accounts = []
    for place, (registration, client) in enumerate(_recruit(campaign, campaign.members)):

        def probing(day: Day, rng: Random, client: Client = client) -> Iterator[Request]:
            for now in _spread(rng, rhythm.count(rng, daily * 1.4), campaign, client):
                refused = rng.random() < 0.96
                yield from _send(
                    campaign,
                    client,
                    rng,
                    day.at(now),
                    grammar.say(rng, "probe", pick(rng, grammar.topics)),
                    response=pick(rng, REFUSED_TEXTS) if refused else None,
                    stop=REFUSAL if refused else None,
                )

        def scaled(day: Day, rng: Random, client: Client = client) -> Iterator[Request]:
            for now in _spread(rng, rhythm.count(rng, daily), campaign, client):
                item = grammar.say(rng, rng.choice(("puzzle", "codetask")))
                refused = rng.random() < 0.03
                yield from _send(
                    campaign,
                    client,
                    rng,
                    day.at(now),
                    f"{_wording(campaign, rng, winner)}\n\n{item}",
                    response=pick(rng, REFUSED_TEXTS) if refused else None,
                    stop=REFUSAL if refused else None,
                )

        probes = place < probers
        accounts.append(
            _member(
                campaign,
                registration,
                client,
                probing if probes else scaled,
                daily,
                starts=0 if probes else turning_point,
                ends=turning_point + 1 if probes else None,
            )
        )
    return tuple(accounts)


def expert_extraction(campaign: Campaign) -> tuple[Account, ...]:
    """C12: some fifty questions of one narrow field per account, each worded anew, among much
    ordinary traffic; nothing is shared and nothing is in step. The hardest."""
    rng, grammar, world = campaign.rng, campaign.grammar, campaign.world
    field = rng.choice(("expert", "legalexpert"))
    # 25,000 questions over 500 accounts: fifty in total, whatever the length of the campaign.
    daily = campaign.daily(50 / max(world.days, 10))
    accounts = []
    for registration, client in _recruit(campaign, campaign.members):

        def payload(day: Day, rng: Random, client: Client = client) -> Iterator[Request]:
            for now in _spread(rng, rhythm.count(rng, daily), campaign, client):
                yield from _send(campaign, client, rng, day.at(now), grammar.say(rng, field))

        accounts.append(_member(campaign, registration, client, payload, daily))
    return tuple(accounts)


def _recruit(campaign: Campaign, how_many: int) -> list[tuple[Registration, Client]]:
    """Return members whose identities share as much as the campaign's evasion lets show."""
    world, rng, evasion = campaign.world, campaign.rng, campaign.evasion
    cards = [hexadecimal(rng, 16) for _ in range(max(1, -(-how_many // CARD_SHARING)))]
    banks = [pick(rng, PAYMENT_BINS + VIRTUAL_BINS) for _ in cards]
    devices = [hexadecimal(rng, 16) for _ in cards]
    use = rng.choice(("library", "library", "coding"))
    models = MODEL_MIXES[rng.randrange(len(MODEL_MIXES))]
    recruits = []
    for place in range(how_many):
        registration = register(
            world, rng, plan=rng.choice(("payg", "pro", "payg", "max", "team")), disguised=True
        )
        slot = place % len(cards)
        if evasion.identity != "none" and registration.payment_hash is not None:
            registration = replace(
                registration,
                payment_hash=cards[slot],
                payment_bin=banks[slot],
                virtual_card=banks[slot] in VIRTUAL_BINS,
            )
        if evasion.identity == "all":
            registration = replace(registration, device_hash=devices[slot])
        kind = rng.choice(("residential", "residential", "datacenter", "mobile"))
        network = make_network(rng, kind)
        if kind == "residential" and rng.random() < 0.5:
            network = replace(network, roaming=0.6)
        client = make_client(world, rng, registration, use=use, network=network)
        client = replace(client, models=models)
        if client.pathway in ("bedrock", "vertex", "azure"):
            client = replace(client, pathway="api")
        if evasion.random_parameters:
            client = replace(
                client, temperatures=MAX_TEMPERATURES, max_tokens=(None, 2048, 4096, 8192, 16_000)
            )
        recruits.append((registration, client))
    return recruits


def _member(
    campaign: Campaign,
    registration: Registration,
    client: Client,
    payload: Behaviour,
    daily: float,
    *,
    starts: int = 0,
    ends: int | None = None,
    pool: str | None = None,
) -> Account:
    return Account(
        registration,
        _with_mix(campaign, client, payload, daily),
        campaign.scenario,
        "extraction",
        campaign.name,
        pool or f"{campaign.name}-pool",
        starts=starts,
        ends=ends,
    )


def _with_mix(campaign: Campaign, client: Client, payload: Behaviour, daily: float) -> Behaviour:
    """Return the payload among as much ordinary traffic as the evasion asks for."""
    share = campaign.evasion.mix_in
    if share <= 0:
        return payload
    ordinary = daily * share / (1 - share)
    cover = developer if campaign.rng.random() < 0.35 else chat_user
    return mixed(payload, cover(campaign.world, client, campaign.rng, daily=ordinary))


def _until(behaviour: Behaviour, end: datetime) -> Behaviour:
    """Return the behaviour up to a ban; the last attempts after it are refused with 403."""

    def behave(day: Day, rng: Random) -> Iterator[Request]:
        for request in behaviour(day, rng):
            if request.started_at < end:
                yield request
            elif request.started_at < end + timedelta(minutes=40):
                yield request._replace(
                    http_status=403,
                    output_tokens=0,
                    reasoning_tokens=None,
                    cost_usd=0.0,
                    stop_reason=None,
                    response=None,
                )

    return behave


def _spread(rng: Random, how_many: int, campaign: Campaign, client: Client) -> list[float]:
    """Return when the work is done: around the clock, or within a waking day if it is disguised."""
    jitter = campaign.evasion.jitter_hours * 3600
    moments = (
        rhythm.waking(rng, how_many, client.offset_hours)
        if campaign.evasion.jitter_hours > 2
        else rhythm.all_day(rng, how_many)
    )
    return sorted((now + rng.uniform(-jitter, jitter)) % rhythm.DAY_SECONDS for now in moments)


def _wording(campaign: Campaign, rng: Random, template: str, reworded: str = "harvestvar") -> str:
    """Return the template, or a new wording of the same demand for the paraphrased share."""
    if rng.random() < campaign.evasion.paraphrase:
        return campaign.grammar.say(rng, reworded)
    return template


def _send(
    campaign: Campaign,
    client: Client,
    rng: Random,
    at: datetime,
    prompt: str,
    *,
    response: str | None = None,
    system: str | None = None,
    model: str | None = None,
    session_id: str | None = None,
    turn: int | None = None,
    signature: str | None = None,
    stop: tuple[str, str | None] | None = None,
) -> list[Request]:
    """Return the rows of one payload request, answered at length unless told otherwise."""
    if response is None:
        response = _long_thought(campaign.grammar, rng)
    if session_id is None and client.programs[0][2] == "coding":
        session_id, turn = f"s_{hexadecimal(rng, 16)}", 1
    return client.call(
        rng,
        at,
        prompt,
        response,
        system=system,
        model=model,
        thought_tokens=rng.randrange(100, 2000),
        session_id=session_id,
        turn=turn,
        signature=signature,
        stop=stop,
    )


def _coding_item(grammar: Grammar, rng: Random) -> str:
    """Return a task of the kind the large pools were after: software, agents, kernels."""
    roll = rng.random()
    if roll < 0.7:
        return grammar.say(rng, "codetask")
    if roll < 0.85:
        return grammar.say(rng, "agentask")
    return grammar.say(rng, "puzzle")


def _long_thought(grammar: Grammar, rng: Random) -> str:
    topic = pick(rng, grammar.topics)
    return "\n".join(grammar.several(rng, "working", topic, 3 + rng.randrange(10)))


def _transcript(grammar: Grammar, rng: Random, exchanges: int) -> str:
    """Return a foreign conversation in writing."""
    topic = pick(rng, grammar.topics)
    lines = []
    for number in range(exchanges):
        asked = grammar.say(rng, "question" if number == 0 else "followup", topic)
        lines.append(f"User: {asked}")
        lines.append(f"Assistant: {' '.join(grammar.several(rng, 'reply', topic, 2))}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Plan:
    """A campaign's share of all accounts, its disguise, and how its members are made."""

    share: float
    evasion: Evasion
    make: Callable[[Campaign], tuple[Account, ...]]


CAMPAIGNS: dict[str, Plan] = {
    "C01": Plan(
        0.033,
        Evasion(mix_in=0.15, jitter_hours=1, identity="none"),
        fixed_prompt_harvest,
    ),
    "C03": Plan(0.007, Evasion(identity="payment", jitter_hours=0), graded_reasoning),
    "C09": Plan(0.011, Evasion(mix_in=0.2, jitter_hours=24, identity="payment"), session_replay),
    "C12": Plan(
        0.017,
        Evasion(
            paraphrase=1.0, mix_in=0.8, jitter_hours=24, identity="none", random_parameters=True
        ),
        expert_extraction,
    ),
    "C05": Plan(
        0.009, Evasion(paraphrase=0.5, mix_in=0.2, jitter_hours=1, identity="all"), release_pivot
    ),
    "C02": Plan(
        0.017, Evasion(jitter_hours=0, identity="payment", intensity=0.025), failover_harvest
    ),
    "C08": Plan(
        0.007,
        Evasion(jitter_hours=1, identity="payment", random_parameters=True, intensity=0.025),
        cleaner_and_judge,
    ),
    "C10": Plan(0.007, Evasion(paraphrase=0.3, mix_in=0.1, identity="none"), probe_then_scale),
}
