"""What ordinary accounts do: people who chat, developers, small products, scripts.

Each function returns a behaviour: given a day and a random state, the requests of that day.
The look-alikes and the mixed-in traffic of campaigns are built from the same behaviours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from random import Random

from pipelines.simulation import rhythm
from pipelines.simulation.grammar import Grammar, pick
from pipelines.simulation.identities import Behaviour, Client, World, hexadecimal
from pipelines.simulation.traffic import Day, Request, estimate_tokens

HARNESSES = (
    (
        14,
        "You are Shipmate, a coding agent in a terminal. Use the tools to read before you edit, "
        "keep changes small, run the tests, and tell the user in two sentences what you did.",
    ),
    (
        9,
        "pairwright assists within the editor. Propose patches as unified diffs. Ask when the "
        "request is unclear. Never touch files outside the workspace.",
    ),
    (
        22,
        "IDE bridge v3: answer with edits. Available tools are listed below; prefer search over "
        "guessing. Keep explanations under eighty words.",
    ),
)
HARNESS_TOKENS = 5_200
# How long an account's answers are, in multiples of the usual.
LENGTHS = (1, 1, 1, 2, 2, 3, 4)
CHAT_SYSTEM = "You are a helpful assistant inside the Meridian app. Be concise."
JSON_REPLIES = (
    '{"label": "billing", "urgency": 2}',
    '{"names": ["Clara"], "amounts": [120], "dates": []}',
    "delivery",
    "positive",
    "fault; 1; support",
)


def heavy_tailed(rng: Random, median: float, sigma: float, most: float) -> float:
    """Return a log-normal daily mean, cut at `most`."""
    return min(most, median * math.exp(rng.gauss(0, sigma)))


def chat_user(
    world: World,
    client: Client,
    rng: Random,
    *,
    daily: float,
    topics: tuple[str, ...] = (),
    kinds: tuple[str, ...] = (),
    first_prompt: str | None = None,
) -> Behaviour:
    """A person who asks, reads and asks again; every earlier turn of a session was really sent."""
    grammar = world.grammar
    topics = topics or tuple(rng.sample(grammar.topics, k=1 + rng.randrange(4)))
    language = "" if rng.random() < 0.68 else pick(rng, grammar.languages)
    kinds = kinds or (
        ("question",) * 6
        + (("puzzle",) if rng.random() < 0.3 else ())
        + (("codequestion", "codequestion") if rng.random() < 0.35 else ())
        + (("vignette",) if rng.random() < 0.06 else ())
        + (("clause",) if rng.random() < 0.06 else ())
        + (("popular",) if rng.random() < 0.3 else ())
    )
    mean_turns = rng.choice((1.2, 2.0, 3.0, 4.5))
    weekend = rng.uniform(0.3, 1.3)
    pasting = rng.choice((0.0, 0.1, 0.4, 0.8))
    length = rng.choice(LENGTHS)
    system = CHAT_SYSTEM if client.pathway == "console" else None
    if client.pathway != "console" and rng.random() < 0.3:
        system = grammar.say(rng, "product", topics[0])

    def behave(day: Day, rng: Random) -> Iterator[Request]:
        sessions = rhythm.count(
            rng, daily / mean_turns * rhythm.weekday_factor(day.weekday, weekend)
        )
        for start in rhythm.waking(rng, sessions, client.offset_hours):
            now, session = start, f"s_{hexadecimal(rng, 16)}"
            topic, kind = pick(rng, topics), pick(rng, kinds)
            spoken = language if rng.random() < 0.85 else ""
            earlier, turn = 0, 0
            turns = 1 + rhythm.count(rng, mean_turns - 1)
            while turn < turns:
                turn += 1
                if turn > 1:
                    prompt = follow_up(grammar, rng, topic, spoken)
                elif first_prompt is not None and rng.random() < 0.7:
                    prompt = first_prompt
                else:
                    prompt = open_chat(grammar, rng, kind, topic, spoken)
                if turn == 1 and rng.random() < pasting:
                    prompt = f"{prompt}\n\n{paste(grammar, rng, topic)}"
                answer, thought = reply(grammar, rng, kind, topic, spoken, length)
                yield from client.call(
                    rng,
                    day.at(now),
                    prompt,
                    answer,
                    system=system,
                    earlier_tokens=earlier,
                    thought_tokens=thought,
                    session_id=session,
                    turn=turn,
                )
                earlier += estimate_tokens(prompt) + estimate_tokens(answer)
                now += 25 + rng.expovariate(1 / 140)

    return behave


def open_chat(grammar: Grammar, rng: Random, kind: str, topic: str, language: str) -> str:
    """Return how a session begins."""
    if language:
        return grammar.say(rng, "ask", language)
    if kind == "popular":
        body = " ".join(grammar.several(rng, "sentence", topic, 2 + rng.randrange(6)))
        return f"{grammar.say(rng, 'popular', topic)}\n\n{body}"
    rule = "codetask" if kind == "codequestion" and rng.random() < 0.4 else kind
    prompt = grammar.say(rng, rule, topic)
    # People greet and take leave in their own manner, so that few prompts begin or end alike.
    if rng.random() < 0.5:
        prompt = f"{grammar.say(rng, 'greeting', topic)} {prompt}"
    if rng.random() < 0.5:
        prompt = f"{prompt} {grammar.say(rng, 'parting', topic)}"
    return prompt


def follow_up(grammar: Grammar, rng: Random, topic: str, language: str) -> str:
    """Return what is said in a later turn."""
    return grammar.say(rng, "more", language) if language else grammar.say(rng, "followup", topic)


def reply(
    grammar: Grammar, rng: Random, kind: str, topic: str, language: str = "", length: int = 1
) -> tuple[str, int]:
    """Return a model's answer, `length` times the usual, and how many tokens it thought before."""
    few, many = length * (1 + rng.randrange(5)), length * (1 + rng.randrange(8))
    if language:
        return " ".join(grammar.several(rng, "answer", language, few)), rng.randrange(0, 400)
    if kind in ("codequestion", "codetask"):
        lines = grammar.several(rng, "codereply", topic, few)
        return "\n\n".join(lines), rng.randrange(100, 1500)
    if kind in ("puzzle", "vignette", "clause"):
        lines = grammar.several(rng, "working", topic, 2 + many)
        return "\n".join(lines), rng.randrange(200, 2500)
    return " ".join(grammar.several(rng, "reply", topic, many)), rng.randrange(0, 600)


def paste(grammar: Grammar, rng: Random, topic: str) -> str:
    """Return a passage that someone copies into a prompt."""
    return " ".join(grammar.several(rng, "sentence", topic, 2 + rng.randrange(13)))


def developer(world: World, client: Client, rng: Random, *, daily: float) -> Behaviour:
    """A developer with a coding agent: tools, long sessions, the same repositories for days."""
    grammar = world.grammar
    number = rng.randrange(len(HARNESSES))
    tools_count, harness = HARNESSES[number]
    client = replace(client, tools=(tools_count, f"tools_{number}_{tools_count}"))
    repositories = [
        f"{grammar.say(rng, 'ident')}-{grammar.say(rng, 'ident2')}"
        for _ in range(1 + rng.randrange(3))
    ]
    mean_turns = rng.choice((5.0, 9.0, 14.0))
    weekend = rng.choice((0.05, 0.3, 0.9))
    most_results, length = rng.choice((1, 2, 5)), rng.choice(LENGTHS)
    clock = rhythm.office if rng.random() < 0.7 else rhythm.waking

    def behave(day: Day, rng: Random) -> Iterator[Request]:
        sessions = rhythm.count(
            rng, daily / mean_turns * rhythm.weekday_factor(day.weekday, weekend)
        )
        for start in clock(rng, sessions, client.offset_hours):
            now, session = start, f"s_{hexadecimal(rng, 16)}"
            context = HARNESS_TOKENS + rng.randrange(500, 9000)
            repository = pick(rng, repositories)
            signature: str | None = None
            for turn in range(1, 2 + rhythm.count(rng, mean_turns - 1)):
                if turn == 1:
                    prompt = f"[{repository}] {grammar.say(rng, 'agentask')}"
                elif rng.random() < 0.75:
                    results = 1 + rng.randrange(most_results)
                    prompt = "\n".join([grammar.say(rng, "toolresult") for _ in range(results)])
                else:
                    prompt = grammar.say(rng, "agentnote")
                said = length * (1 + rng.randrange(2))
                answer = "\n".join(grammar.several(rng, "codereply", "", said))
                yield from client.call(
                    rng,
                    day.at(now),
                    prompt,
                    answer,
                    system=harness,
                    earlier_tokens=context,
                    cached_tokens=int(context * 0.9) if turn > 1 else 0,
                    thought_tokens=rng.randrange(0, 900),
                    session_id=session,
                    turn=turn,
                    signature=signature,
                )
                signature = hexadecimal(rng, 16) if rng.random() < 0.5 else None
                context += estimate_tokens(prompt) + estimate_tokens(answer) + rng.randrange(2400)
                now += 4 + rng.expovariate(1 / 45)

    return behave


def product(
    world: World,
    client: Client,
    rng: Random,
    *,
    daily: float,
    system: str | None = None,
    topic: str | None = None,
) -> Behaviour:
    """A small product: one system prompt, many end users, their own words, some come back."""
    grammar = world.grammar
    topic = topic or pick(rng, grammar.topics)
    system = system or grammar.say(rng, "product", topic)
    users = [f"u{hexadecimal(rng, 8)}" for _ in range(max(3, int(daily)))]
    kind = rng.choice(("question", "ticket", "question", "puzzle"))
    worldwide = rng.random() < 0.3
    talkative = rng.choice((0.0, 0.3, 0.6))
    looks_up = rng.random() < 0.45
    length = rng.choice(LENGTHS)
    language = "" if rng.random() < 0.7 else pick(rng, grammar.languages)

    def behave(day: Day, rng: Random) -> Iterator[Request]:
        how_many = rhythm.count(rng, daily / (1 + talkative))
        moments = (
            rhythm.all_day(rng, how_many)
            if worldwide
            else rhythm.waking(rng, how_many, client.offset_hours)
        )
        for start in moments:
            session = f"s_{hexadecimal(rng, 16)}" if talkative else None
            user, now, earlier, turn = pick(rng, users), start, 0, 1
            while True:
                if turn > 1:
                    prompt = follow_up(grammar, rng, topic, language)
                elif language:
                    prompt = grammar.say(rng, "ask", language)
                else:
                    prompt = open_chat(grammar, rng, kind, topic, "")
                if looks_up and turn == 1:
                    prompt = f"Context: {paste(grammar, rng, topic)}\n\n{prompt}"
                answer, thought = reply(grammar, rng, kind, topic, language, length)
                yield from client.call(
                    rng,
                    day.at(now),
                    prompt,
                    answer,
                    system=system,
                    earlier_tokens=earlier,
                    thought_tokens=thought,
                    session_id=session,
                    turn=turn if session else None,
                    end_user_id=user,
                )
                if rng.random() >= talkative * 0.6:
                    break
                earlier += estimate_tokens(prompt) + estimate_tokens(answer)
                turn += 1
                now += 20 + rng.expovariate(1 / 90)

    return behave


def script(world: World, client: Client, rng: Random, *, daily: float) -> Behaviour:
    """Someone's script: one frame of its own, new material every time, often in a batch."""
    grammar = world.grammar
    topic = pick(rng, grammar.topics)
    frame = grammar.say(rng, "scriptframe", topic)
    tasks = [int(rng.random() * 1e9) for _ in range(1 + rng.randrange(2))]
    in_system = rng.random() < 0.3
    hour = rng.random() * 24
    pace = rng.choice(("run", "office", "all_day"))
    active = rng.choice((0.3, 0.7, 1.0))
    labels_only = rng.random() < 0.35
    fresh_session = rng.random() < 0.5
    documents = rng.random() < 0.4
    length = rng.choice(LENGTHS)
    if labels_only:
        client = replace(client, response_format="json_object", temperatures=(0.0,))

    def behave(day: Day, rng: Random) -> Iterator[Request]:
        if rng.random() >= active:
            return
        how_many = rhythm.count(rng, daily / active)
        if pace == "run":
            moments = rhythm.batch(rng, how_many, hour * 3600, 12.0)
        elif pace == "office":
            moments = rhythm.office(rng, how_many, client.offset_hours)
        else:
            moments = rhythm.all_day(rng, how_many)
        for now in moments:
            task = _same_kind_of_task(grammar, rng, tasks, topic)
            if labels_only:
                answer, thought = pick(rng, JSON_REPLIES), 0
            else:
                kind = "puzzle" if rng.random() < 0.35 else "question"
                answer, thought = reply(grammar, rng, kind, topic, length=length)
            if documents:
                task = f"{task}\n\n{paste(grammar, rng, topic)}"
            yield from client.call(
                rng,
                day.at(now),
                task if in_system else f"{frame}\n\n{task}",
                answer,
                system=frame if in_system else None,
                thought_tokens=thought,
                session_id=f"s_{hexadecimal(rng, 16)}" if fresh_session else None,
                turn=1 if fresh_session else None,
            )

    return behave


def mixed(*behaviours: Behaviour) -> Behaviour:
    """Return a behaviour that does all of `behaviours`."""

    def behave(day: Day, rng: Random) -> Iterator[Request]:
        for behaviour in behaviours:
            yield from behaviour(day, rng)

    return behave


def _same_kind_of_task(grammar: Grammar, rng: Random, tasks: list[int], topic: str) -> str:
    """Return a new task of one of the kinds this script has."""
    kind = tasks[int(rng.random() * len(tasks))] % 5
    if kind == 0:
        return grammar.say(rng, "puzzle", topic)
    if kind == 1:
        return grammar.say(rng, "ticket", topic)
    if kind == 2:
        return " ".join(grammar.several(rng, "sentence", topic, 3 + rng.randrange(8)))
    return grammar.say(rng, "scripttask", topic)
