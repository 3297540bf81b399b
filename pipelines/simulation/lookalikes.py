"""Honest workloads that look like extraction, one function each, named as in docs/simulator.md.

Each function takes the world, a random state and how many accounts to make, and returns them,
all labelled benign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from random import Random

from pipelines.simulation import rhythm
from pipelines.simulation.grammar import pick
from pipelines.simulation.identities import (
    PAYMENT_BINS,
    Account,
    Behaviour,
    Client,
    Network,
    Registration,
    World,
    draw_creation,
    hexadecimal,
    make_client,
    make_network,
    register,
)
from pipelines.simulation.ordinary import chat_user, developer, mixed, product, reply
from pipelines.simulation.traffic import Day, Request

RELAY_POOL = "relay-1"
LARGE = "meridian-4-large"
SMALL = ("meridian-4-small", "corvus-3-flash")
TARGET_LANGUAGES = (
    "Danish", "Dutch", "Finnish", "French", "German", "Greek", "Hindi", "Italian", "Japanese",
    "Korean", "Polish", "Portuguese", "Spanish", "Swedish", "Thai", "Turkish",
)  # fmt: skip


@dataclass(frozen=True)
class Declaration:
    """A row of declared_parties.csv: a party whose workload is known and agreed."""

    account_id: str | None
    org_id: str | None
    kind: str
    reason: str
    expires_on: date | None


@dataclass(frozen=True)
class LookAlikes:
    """The accounts of one class, and what was declared about them."""

    accounts: tuple[Account, ...]
    declarations: tuple[Declaration, ...] = ()


def company_domain(world: World, rng: Random) -> str:
    brand = world.grammar.say(rng, "brand").lower().replace(" ", "")
    return f"{brand}{rng.randrange(1000)}.example"


def nightly_evaluation(world: World, rng: Random, members: int) -> LookAlikes:
    """B01: the same items night after night at the same hour, answers judged by a rubric."""

    def one(client: Client, rng: Random) -> Behaviour:
        grammar = world.grammar
        topic, start = pick(rng, grammar.topics), rng.random() * 20 * 3600
        items = [
            grammar.say(rng, rng.choice(("puzzle", "codetask", "question")), topic)
            for _ in range(rng.randrange(20, 45))
        ]
        rubric = grammar.say(rng, "rubric")
        pause = rng.choice((2.0, 6.0, 15.0))

        def behave(day: Day, rng: Random) -> Iterator[Request]:
            moments = rhythm.batch(rng, 2 * len(items), start, pause)
            for index, item in enumerate(items):
                answer, thought = reply(grammar, rng, "puzzle", topic)
                yield from client.call(
                    rng, day.at(moments[2 * index]), item, answer, thought_tokens=thought
                )
                if index % 2 == 0:
                    yield from client.call(
                        rng,
                        day.at(moments[2 * index + 1]),
                        f"{rubric}\n\nTask: {item}\n\nAnswer: {answer}",
                        f'Sound overall, one gap. {{"total": {rng.randrange(2, 11)}}}',
                        thought_tokens=rng.randrange(300),
                    )

        return behave

    return LookAlikes(_companies(world, rng, members, "B01", one))


def release_benchmark(world: World, rng: Random, members: int) -> LookAlikes:
    """B02: when a model comes out, one large set is put to every model alike, once."""

    def one(client: Client, rng: Random) -> Behaviour:
        grammar = world.grammar
        topics = rng.sample(grammar.topics, k=6)
        items = [
            grammar.say(
                rng, rng.choice(("puzzle", "codetask", "vignette", "clause")), pick(rng, topics)
            )
            for _ in range(rng.randrange(50, 110))
        ]
        delay = rng.choice((0, 0, 1))
        models = (LARGE, "meridian-4-medium", "corvus-3-pro", "meridian-5-large")
        frame = grammar.say(rng, "scriptframe", topics[0])

        def behave(day: Day, rng: Random) -> Iterator[Request]:
            if day.index != world.release_index + delay:
                if rng.random() < 0.4:
                    yield from client.call(
                        rng, day.at(rng.random() * 80_000), pick(rng, items), "ok"
                    )
                return
            moments = rhythm.batch(rng, len(items) * len(models), (16 - 15 * delay) * 3600, 5.0)
            for index, now in enumerate(moments):
                answer, thought = reply(grammar, rng, "puzzle", topics[0])
                yield from client.call(
                    rng,
                    day.at(now),
                    f"{frame}\n{items[index % len(items)]}",
                    answer,
                    model=models[index // len(items)],
                    thought_tokens=thought,
                )

        return behave

    return LookAlikes(_companies(world, rng, members, "B02", one, program="education"))


def labelling_batch(world: World, rng: Random, members: int) -> LookAlikes:
    """B03: one template, thousands of different rows, a word or a line back, in batches."""

    def one(client: Client, rng: Random) -> Behaviour:
        grammar = world.grammar
        client = replace(client, models=(pick(rng, SMALL),), temperatures=(0.0,))
        topic, instruction = pick(rng, grammar.topics), grammar.say(rng, "label")
        big_days = set(rng.sample(range(world.days), k=max(1, world.days // 5)))
        size, start = rng.randrange(90, 260), rng.random() * 18 * 3600

        def behave(day: Day, rng: Random) -> Iterator[Request]:
            how_many = size if day.index in big_days else rng.randrange(4)
            for now in rhythm.batch(rng, how_many, start, 1.5):
                yield from client.call(
                    rng,
                    day.at(now),
                    f"{instruction}\n\n{grammar.say(rng, 'ticket', topic)}",
                    pick(rng, ("billing", "delivery", "fault", "praise", "mixed", "negative")),
                    batch=True,
                )

        return behave

    return LookAlikes(_companies(world, rng, members, "B03", one))


def reseller(world: World, rng: Random, members: int) -> LookAlikes:
    """B05: one organisation sells access on; all topics, many end users, day and night."""
    domain, org = company_domain(world, rng), f"org_{hexadecimal(rng, 10)}"
    network = make_network(rng, "datacenter")
    keys = tuple(f"key_{hexadecimal(rng, 10)}" for _ in range(8))
    accounts = []
    for _ in range(members):
        registration = register(world, rng, company=domain, plan="enterprise", org_id=org)
        client = replace(
            make_client(world, rng, registration, use="library", network=network),
            models=(LARGE, "meridian-4-medium", "meridian-4-small", "corvus-3-pro"),
            api_keys=keys,
            temperatures=(None, 0.0, 0.7, 1.0),
            max_tokens=(None, 1024, 4096),
        )
        accounts.append(Account(registration, _resale(world, client, rng), "B05"))
    declared = Declaration(None, org, "reseller", "contract on resale", date(2027, 12, 31))
    return LookAlikes(tuple(accounts), (declared,))


def _resale(world: World, client: Client, rng: Random) -> Behaviour:
    daily = rng.uniform(45, 80)
    people = [
        chat_user(world, replace(client, offset_hours=hour), rng, daily=daily / 10)
        for hour in range(-9, 11, 2)
    ]

    def behave(day: Day, rng: Random) -> Iterator[Request]:
        for number, person in enumerate(people):
            for request in person(day, rng):
                session_user = Random(f"{number}/{request.session_id}").randrange(12)
                yield request._replace(end_user_id=f"c{number}-{session_user}")

    return behave


def coding_team(world: World, rng: Random, members: int) -> LookAlikes:
    """B06: coding agents of several people behind one key, from many addresses, plus CI."""
    domain, org = company_domain(world, rng), f"org_{hexadecimal(rng, 10)}"
    card, bank = hexadecimal(rng, 16), pick(rng, PAYMENT_BINS)
    accounts = []
    for _ in range(members):
        registration = replace(
            register(world, rng, company=domain, plan="team", org_id=org),
            payment_hash=card,
            payment_bin=bank,
            virtual_card=False,
        )
        network = replace(make_network(rng, "mobile"), kind="residential", roaming=0.5)
        client = replace(
            make_client(world, rng, registration, use="coding", network=network),
            pathway="api",
            api_keys=(f"key_{hexadecimal(rng, 10)}",),
            models=(LARGE,),
        )
        people = [
            developer(world, replace(client, offset_hours=hour), rng, daily=rng.uniform(8, 20))
            for hour in (-5, 1, 2)
        ]
        accounts.append(Account(registration, mixed(*people), "B06"))
    return LookAlikes(tuple(accounts))


def translation_pipeline(world: World, rng: Random, members: int) -> LookAlikes:
    """B07: one template, a balanced grid of languages, answers as long as the text."""

    def one(client: Client, rng: Random) -> Behaviour:
        grammar = world.grammar
        topic, template = pick(rng, grammar.topics), grammar.say(rng, "translate")
        languages = rng.sample(TARGET_LANGUAGES, k=8)
        daily = rng.uniform(2, 8)

        def behave(day: Day, rng: Random) -> Iterator[Request]:
            strings = rhythm.count(rng, daily * rhythm.weekday_factor(day.weekday, 0.1))
            for start in rhythm.office(rng, strings, client.offset_hours):
                text = " ".join(grammar.several(rng, "sentence", topic, 1 + rng.randrange(4)))
                for order, language in enumerate(languages):
                    prompt = f"{template.replace('{language}', language)}\n\n{text}"
                    moment = day.at(start + 3 * order + rng.random())
                    yield from client.call(rng, moment, prompt, text[::-1])

        return behave

    return LookAlikes(_companies(world, rng, members, "B07", one))


def launch(world: World, rng: Random, members: int) -> LookAlikes:
    """B08: a product that moves in and is at full load from its first day."""
    accounts = []
    for _ in range(members):
        domain = company_domain(world, rng)
        registration = register(world, rng, company=domain, plan="team")
        client = make_client(
            world, rng, registration, use="library", network=make_network(rng, company=domain)
        )
        starts = rng.randrange(max(1, world.days // 2))
        if rng.random() < 0.5:
            moved_in = datetime.combine(world.day(starts).date, time()) - timedelta(hours=7)
            registration = replace(registration, created_at=moved_in)
        behaviour = product(world, client, rng, daily=rng.uniform(30, 60))
        accounts.append(Account(registration, behaviour, "B08", starts=starts))
    return LookAlikes(tuple(accounts))


def licensed_synthetic_data(world: World, rng: Random, members: int) -> LookAlikes:
    """B09: training material under a licence; the content of an attack from one stable firm."""

    def one(client: Client, rng: Random) -> Behaviour:
        grammar = world.grammar
        topics = rng.sample(grammar.topics, k=5)
        frame = grammar.say(rng, "synthetic", topics[0]) if rng.random() < 0.5 else None
        daily = rng.uniform(15, 45)

        def behave(day: Day, rng: Random) -> Iterator[Request]:
            for now in rhythm.all_day(rng, rhythm.count(rng, daily)):
                topic = pick(rng, topics)
                if frame is None:
                    prompt = grammar.say(rng, "synthetic", topic)
                else:
                    task = grammar.say(rng, rng.choice(("puzzle", "codetask", "question")), topic)
                    prompt = f"{frame}\n\nSeed: {task}"
                answer, thought = reply(grammar, rng, "puzzle", topic)
                yield from client.call(rng, day.at(now), prompt, answer, thought_tokens=thought)

        return behave

    accounts = _companies(world, rng, members, "B09", one)
    declared = tuple(
        Declaration(
            account.registration.account_id,
            None,
            "synthetic_data",
            "licence for synthetic data",
            date(2027, 6, 30),
        )
        for account in accounts[: (members + 1) // 2]
    )
    return LookAlikes(accounts, declared)


def shared_prompt_saas(world: World, rng: Random, members: int) -> LookAlikes:
    """B10: customers of one software house, each with an account, all under its system prompt."""
    grammar = world.grammar
    parent, topic = f"org_{hexadecimal(rng, 10)}", pick(rng, grammar.topics)
    system, network = grammar.say(rng, "product", topic), make_network(rng, "datacenter")
    program = None
    accounts = []
    for _ in range(members):
        domain = company_domain(world, rng)
        registration = register(world, rng, company=domain, parent=parent)
        client = make_client(world, rng, registration, use="library", network=network)
        program = program or client.programs
        client = replace(
            client, programs=program, models=(LARGE,), temperatures=(0.3,), max_tokens=(1024,)
        )
        behaviour = product(
            world, client, rng, daily=rng.uniform(2, 14), system=system, topic=topic
        )
        accounts.append(Account(registration, behaviour, "B10"))
    return LookAlikes(tuple(accounts))


def explainability_programme(world: World, rng: Random, members: int) -> LookAlikes:
    """B11: an audit that asks for reasons all the time and is refused now and then."""

    def one(client: Client, rng: Random) -> Behaviour:
        grammar = world.grammar
        topic, daily = pick(rng, grammar.topics), rng.uniform(3, 14)

        def behave(day: Day, rng: Random) -> Iterator[Request]:
            how_many = rhythm.count(rng, daily * rhythm.weekday_factor(day.weekday, 0.1))
            for now in rhythm.office(rng, how_many, client.offset_hours):
                case = grammar.say(rng, rng.choice(("clause", "question", "puzzle")), topic)
                refused = rng.random() < 0.2
                answer, thought = reply(grammar, rng, "puzzle", topic)
                yield from client.call(
                    rng,
                    day.at(now),
                    f"{grammar.say(rng, 'audit')}\n\n{case}",
                    "I cannot share that." if refused else answer,
                    thought_tokens=thought,
                    stop=("refusal", "reasoning_extraction") if refused else None,
                )

        return behave

    return LookAlikes(_companies(world, rng, members, "B11", one, program="security_research"))


def moderation_vendor(world: World, rng: Random, members: int) -> LookAlikes:
    """B12: other people's posts scored against rules, at the rhythm of the posts."""

    def one(client: Client, rng: Random) -> Behaviour:
        grammar = world.grammar
        topics, policy = rng.sample(grammar.topics, k=6), grammar.say(rng, "policy")
        daily = rng.uniform(30, 80)

        def behave(day: Day, rng: Random) -> Iterator[Request]:
            for now in rhythm.waking(rng, rhythm.count(rng, daily), client.offset_hours):
                yield from client.call(
                    rng,
                    day.at(now),
                    f"{policy}\n---\n{grammar.say(rng, 'ugc', pick(rng, topics))}",
                    f'{{"label": "ok", "severity": {rng.randrange(4)}, "rule": ""}}',
                )

        return behave

    return LookAlikes(_companies(world, rng, members, "B12", one))


def class_of_students(world: World, rng: Random, members: int) -> LookAlikes:
    """B13: one class, one domain, one network, one assignment, one week, real follow-ups."""
    grammar = world.grammar
    domain = f"school{rng.randrange(100)}.example"
    topic = pick(rng, grammar.topics)
    task = grammar.say(rng, "assignment", topic)
    starts = rng.randrange(max(1, world.days - 6))
    offset = rng.randrange(-8, 10)
    accounts = []
    for _ in range(members):
        registration = register(
            world,
            rng,
            company=domain,
            plan=rng.choice(("free", "pro")),
            program="education",
            created=draw_creation(world, rng, recent=0.9),
        )
        network = make_network(rng, "corporate", company=domain)
        client = replace(
            make_client(world, rng, registration, use="person", network=network),
            offset_hours=offset,
        )
        behaviour = chat_user(
            world, client, rng, daily=rng.uniform(4, 11), topics=(topic,), first_prompt=task
        )
        accounts.append(Account(registration, behaviour, "B13", starts=starts, ends=starts + 7))
    return LookAlikes(tuple(accounts))


def relay_customers(world: World, rng: Random, members: int) -> LookAlikes:
    """B14: honest people who bought cheap access on a relay that a campaign uses as well."""
    accounts = []
    for _ in range(members):
        registration, network = relay_identity(world, rng)
        use = "person" if rng.random() < 0.5 else "coding"
        client = replace(
            make_client(world, rng, registration, use=use, network=network),
            pathway="api",
            api_keys=(f"key_{hexadecimal(rng, 10)}",),
        )
        daily = rng.uniform(5, 25)
        behaviour = (
            chat_user(world, client, rng, daily=daily)
            if use == "person"
            else developer(world, client, rng, daily=daily)
        )
        accounts.append(Account(registration, behaviour, "B14", pool=RELAY_POOL))
    return LookAlikes(tuple(accounts))


def relay_identity(world: World, rng: Random) -> tuple[Registration, Network]:
    """Return a registration and the network of an account that the relay made."""
    own = world.rng("relay")
    prefixes = [f"10.9.{own.randrange(256)}" for _ in range(4)]
    cards = [hexadecimal(own, 16) for _ in range(9)]
    registration = register(world, rng, plan=rng.choice(("pro", "payg", "max")), disguised=True)
    registration = replace(registration, payment_hash=pick(rng, cards), virtual_card=True)
    network = replace(
        make_network(rng, "datacenter"),
        addresses=tuple(f"{pick(rng, prefixes)}.{rng.randrange(2, 250)}" for _ in range(5)),
    )
    return registration, network


def _companies(
    world: World,
    rng: Random,
    members: int,
    scenario: str,
    one: Callable[[Client, Random], Behaviour],
    *,
    program: str | None = None,
) -> tuple[Account, ...]:
    """Return accounts of separate firms, each doing `one` thing from its own network."""
    accounts = []
    for _ in range(members):
        domain = company_domain(world, rng)
        registration = register(
            world, rng, company=domain, program=program if rng.random() < 0.7 else None
        )
        client = make_client(
            world, rng, registration, use="library", network=make_network(rng, company=domain)
        )
        accounts.append(Account(registration, one(client, rng), scenario))
    return tuple(accounts)


LOOK_ALIKES: dict[str, Callable[[World, Random, int], LookAlikes]] = {
    "B01": nightly_evaluation,
    "B02": release_benchmark,
    "B03": labelling_batch,
    "B05": reseller,
    "B06": coding_team,
    "B07": translation_pipeline,
    "B08": launch,
    "B09": licensed_synthetic_data,
    "B10": shared_prompt_saas,
    "B11": explainability_programme,
    "B12": moderation_vendor,
    "B13": class_of_students,
    "B14": relay_customers,
}
