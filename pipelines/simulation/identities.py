"""Who calls: registrations, client programs and networks, drawn the same way for everybody.

What an account sends is not decided here. Honest people and campaigns draw from the same
programs, address ranges, banks and domains, only in other proportions, so that no single column
tells them apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from random import Random

from pipelines.simulation.grammar import Grammar, pick
from pipelines.simulation.traffic import Day, Model, Request, estimate_tokens

# (user agent, TLS fingerprint, what it is used for)
PROGRAMS = (
    ("meridian-python/2.8.1 (Linux; CPython 3.12)", "t13d1516h2_a", "library"),
    ("meridian-python/2.7.0 (Darwin; CPython 3.11)", "t13d1516h2_a", "library"),
    ("meridian-node/4.1.3 node/22.4", "t13d1715h1_c", "library"),
    ("python-requests/2.32.3", "t13d1312h1_b", "library"),
    ("Go-http-client/2.0", "t13d1911h2_g", "library"),
    ("okhttp/4.12.0", "t13d1613h2_k", "library"),
    ("curl/8.7.1", "t13d3112h2_u", "library"),
    ("Shipmate/1.22 (cli)", "t13d1715h1_c", "coding"),
    ("Shipmate/1.24 (cli)", "t13d1715h1_c", "coding"),
    ("pairwright/0.9.8", "t13d1516h2_a", "coding"),
    ("ide-bridge/3.3", "t13d1715h1_e", "coding"),
    ("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/142.0", "t13d1717h2_f", "person"),
    ("Mozilla/5.0 (Windows NT 10.0) Chrome/141.0 Safari/537.36", "t13d1516h2_d", "person"),
    ("MeridianApp/7.3 (iPhone)", "t13d2014h2_i", "person"),
    ("MeridianApp/7.2 (Android)", "t13d1613h2_k", "person"),
)
MAIL_DOMAINS = ("postbox.example", "mailer.example", "inbox.example", "letter.example")
THROWAWAY_DOMAINS = ("tempbox.example", "tenminutes.example", "quickmail.example")
PAYMENT_BINS = tuple(str(430_000 + 3_571 * index) for index in range(36))
VIRTUAL_BINS = tuple(str(530_000 + 2_203 * index) for index in range(8))
PLANS = (("free", 0.0), ("payg", 0.0), ("pro", 20.0), ("max", 200.0), ("team", 150.0))
BOUND_NETWORKS = 48
REQUEST_ID_BITS = 96
REASONING_STOPS = ("stop", "stop", "stop", "length")


@dataclass(frozen=True)
class World:
    """What every behaviour may consult: the texts, the models and the length of the run."""

    seed: int
    days: int
    first_day: date
    grammar: Grammar
    models: dict[str, Model]
    release_index: int
    release: datetime

    def day(self, index: int) -> Day:
        return Day(index, self.first_day + timedelta(days=index))

    def rng(self, *parts: object) -> Random:
        """Return a random state that depends on the seed and `parts` alone."""
        return Random("/".join(str(part) for part in (self.seed, *parts)))


@dataclass(frozen=True)
class Registration:
    """A row of the accounts snapshot, without the status."""

    account_id: str
    created_at: datetime
    org_id: str | None
    parent_org_id: str | None
    plan: str
    monthly_fee_usd: float | None
    program: str | None
    email_domain: str
    email_hash: str
    payment_hash: str | None
    payment_bin: str | None
    virtual_card: bool | None
    signup_ip: str | None
    device_hash: str | None


@dataclass(frozen=True)
class Network:
    """The addresses an account calls from. `roaming` draws anew from the range each time."""

    kind: str
    addresses: tuple[str, ...]
    roaming: float = 0.0


@dataclass(frozen=True)
class Client:
    """The technical habits of one account's program; turns a call into rows of the export."""

    world: World
    account_id: str
    org_id: str | None
    api_keys: tuple[str, ...]
    programs: tuple[tuple[str, str, str], ...]
    network: Network
    models: tuple[str, ...]
    pathway: str = "api"
    endpoint: str = "chat"
    stream: bool | None = False
    temperatures: tuple[float | None, ...] = (None,)
    top_p: float | None = None
    max_tokens: tuple[int | None, ...] = (None,)
    response_format: str | None = None
    fixed_seed: int | None = None
    logprobs: bool | None = None
    keeps_text: bool = True
    adopts_release: float = 9.0
    error_share: float = 0.03
    offset_hours: int = 0
    samples: int | None = None
    effort: float = 1.0
    tools: tuple[int, str] | None = field(default=None)

    def call(
        self,
        rng: Random,
        at: datetime,
        prompt: str,
        response: str,
        *,
        system: str | None = None,
        model: str | None = None,
        earlier_tokens: int = 0,
        cached_tokens: int | None = None,
        thought_tokens: int = 0,
        session_id: str | None = None,
        turn: int | None = None,
        end_user_id: str | None = None,
        stop: tuple[str, str | None] | None = None,
        batch: bool | None = False,
        signature: str | None = None,
        samples: int | None = None,
    ) -> list[Request]:
        """Return the rows of one call: usually one, two where the first attempt failed."""
        used = self.world.models[model or self.choose_model(rng, at)]
        thought_tokens = int(thought_tokens * self.effort)
        written = estimate_tokens(response) + (thought_tokens if used.reasons else 0)
        read = estimate_tokens(prompt) + estimate_tokens(system or "") + earlier_tokens
        cached = min(read, cached_tokens) if cached_tokens is not None else None
        if stop is None:
            stop = ("tool_use" if self.tools and rng.random() < 0.6 else "stop", None)
        program = self.programs[int(rng.random() * len(self.programs))]
        limit = self.max_tokens[int(rng.random() * len(self.max_tokens))]
        relayed = self.pathway in ("bedrock", "vertex", "azure")
        request = Request(
            request_id=f"req_{rng.getrandbits(REQUEST_ID_BITS):024x}",
            account_id=self.account_id,
            started_at=at,
            model=used.name,
            input_tokens=read,
            output_tokens=written,
            org_id=self.org_id,
            api_key_id=pick(rng, self.api_keys) if self.api_keys else None,
            end_user_id=end_user_id,
            pathway=self.pathway,
            endpoint=self.endpoint,
            duration_ms=int(220 + written * (9 + 12 * rng.random()) + read * 0.02),
            stream=self.stream,
            batch=batch,
            cached_tokens=cached,
            reasoning_tokens=None if relayed or not used.reasons else thought_tokens,
            cost_usd=None if relayed else _cost(used, read, written, cached or 0, bool(batch)),
            http_status=200,
            stop_reason=stop[0],
            stop_category=stop[1],
            temperature=self.temperatures[int(rng.random() * len(self.temperatures))],
            top_p=self.top_p,
            n=samples or self.samples,
            max_tokens=limit,
            seed=self.fixed_seed,
            top_logprobs=5 if self.logprobs else None,
            logit_bias_count=0 if self.logprobs is not None else None,
            tools_count=self.tools[0] if self.tools else 0,
            logprobs=self.logprobs,
            tools_hash=self.tools[1] if self.tools else None,
            response_format=self.response_format,
            session_id=session_id,
            turn=turn,
            reasoning_signature=signature,
            ip=None if relayed else self._address(rng),
            user_agent=None if relayed else program[0],
            tls_fingerprint=None if relayed else program[1],
            ip_type=None if relayed else self.network.kind,
            system_prompt=system if self.keeps_text else None,
            prompt=prompt if self.keeps_text else None,
            response=response if self.keeps_text else None,
        )
        if rng.random() >= self.error_share:
            return [request]
        status = 429 if rng.random() < 0.7 else 500
        failed = request._replace(
            request_id=f"req_{rng.getrandbits(REQUEST_ID_BITS):024x}",
            output_tokens=0,
            reasoning_tokens=None,
            cached_tokens=None,
            cost_usd=0.0,
            http_status=status,
            stop_reason=None,
            stop_category=None,
            response=None,
            duration_ms=int(30 + 90 * rng.random()),
        )
        again = request._replace(
            started_at=at + timedelta(milliseconds=900 + int(4000 * rng.random()))
        )
        return [failed, again]

    def choose_model(self, rng: Random, at: datetime) -> str:
        """Return one of the account's models; after a release its adopters move step by step."""
        chosen = self.models[int(rng.random() * len(self.models))]
        if chosen == "meridian-4-large":
            days_out = (at - self.world.release).total_seconds() / 86_400
            if days_out > 0 and rng.random() < days_out / (days_out + self.adopts_release):
                return "meridian-5-large"
        return chosen

    def _address(self, rng: Random) -> str:
        address = self.network.addresses[int(rng.random() * len(self.network.addresses))]
        if self.network.roaming and rng.random() < self.network.roaming:
            return _any_address(rng, self.network.kind)
        return address


Behaviour = Callable[[Day, Random], Iterable[Request]]


@dataclass(frozen=True)
class Account:
    """One simulated account: who it is, what it does, and what is true about it.

    It acts on days `starts <= index < ends`; `changes` holds (instant, new status).
    """

    registration: Registration
    behaviour: Behaviour
    scenario: str
    label: str = "benign"
    campaign: str | None = None
    pool: str | None = None
    starts: int = 0
    ends: int | None = None
    changes: tuple[tuple[datetime, str], ...] = ()

    def status_on(self, day: date) -> tuple[str, datetime | None]:
        """Return the status at the end of `day` and since when (None: since creation)."""
        status: tuple[str, datetime | None] = ("active", None)
        for changed_at, new in self.changes:
            if changed_at.date() <= day:
                status = (new, changed_at)
        return status


def hexadecimal(rng: Random, digits: int = 12) -> str:
    """Return random hexadecimal digits, for identifiers and hashes."""
    return f"{rng.getrandbits(4 * digits):0{digits}x}"


def register(
    world: World,
    rng: Random,
    *,
    company: str | None = None,
    created: datetime | None = None,
    plan: str | None = None,
    program: str | None = None,
    parent: str | None = None,
    org_id: str | None = None,
    disguised: bool = False,
) -> Registration:
    """Return a registration; `disguised` shifts the proportions, never the kinds, of values."""
    throwaway = rng.random() < (0.3 if disguised else 0.06)
    domain = company or pick(rng, THROWAWAY_DOMAINS if throwaway else MAIL_DOMAINS)
    virtual = rng.random() < (0.45 if disguised else 0.22)
    name = (
        plan
        or rng.choices(
            [name for name, _ in PLANS],
            (10, 34, 30, 14, 12) if company is None else (2, 50, 8, 10, 30),
        )[0]
    )
    has_card = name != "free"
    return Registration(
        account_id=f"acct_{hexadecimal(rng)}",
        created_at=created or draw_creation(world, rng, recent=0.55 if disguised else 0.3),
        org_id=org_id or (f"org_{hexadecimal(rng, 10)}" if company or rng.random() < 0.5 else None),
        parent_org_id=parent,
        plan=name,
        monthly_fee_usd=None if name == "enterprise" else dict(PLANS)[name],
        program=program or ("startup" if rng.random() < 0.04 else None),
        email_domain=domain,
        email_hash=hexadecimal(rng, 16),
        payment_hash=hexadecimal(rng, 16) if has_card else None,
        payment_bin=pick(rng, VIRTUAL_BINS if virtual else PAYMENT_BINS) if has_card else None,
        virtual_card=virtual if has_card else None,
        signup_ip=_any_address(rng, "residential") if rng.random() < 0.9 else None,
        device_hash=hexadecimal(rng, 16) if rng.random() < 0.7 else None,
    )


def draw_creation(world: World, rng: Random, *, recent: float) -> datetime:
    """Return when an account was created, always before the first day; a share is `recent`."""
    age = rng.uniform(0.2, 60) if rng.random() < recent else rng.uniform(60, 900)
    start = datetime.combine(world.first_day, time())
    return (start - timedelta(days=age)).replace(microsecond=0)


def make_network(rng: Random, kind: str | None = None, *, company: str | None = None) -> Network:
    """Return a network of the given kind, or of an ordinary mixture of kinds."""
    chosen = kind or pick(rng, ("residential",) * 9 + ("mobile",) * 4 + ("datacenter",) * 6)
    if company is not None and kind is None and rng.random() < 0.6:
        chosen = "corporate"
    if chosen == "corporate":
        own = Random(f"network/{company}")
        prefix = f"10.{own.randrange(64, 128)}.{own.randrange(256)}"
        return Network("corporate", tuple(f"{prefix}.{rng.randrange(2, 20)}" for _ in range(2)))
    if chosen == "mobile":
        return Network("mobile", tuple(_any_address(rng, "mobile") for _ in range(6)), roaming=0.3)
    if chosen == "datacenter":
        # Everybody rents in the same few places.
        shared = rng.randrange(BOUND_NETWORKS)
        prefix = f"10.{shared % 8}.{shared}"
        return Network(
            "datacenter",
            tuple(f"{prefix}.{rng.randrange(2, 254)}" for _ in range(1 + rng.randrange(3))),
        )
    return Network(
        "residential", tuple(_any_address(rng, chosen) for _ in range(1 + rng.randrange(2)))
    )


def make_client(
    world: World,
    rng: Random,
    registration: Registration,
    *,
    use: str,
    models: tuple[str, ...] | None = None,
    network: Network | None = None,
    **habits: object,
) -> Client:
    """Return a client for `use` (person, library, coding), with habits drawn unless given."""
    fitting = [program for program in PROGRAMS if program[2] == use]
    if use == "person":
        programs = tuple(rng.sample(fitting, k=1 + rng.randrange(2)))
    else:
        programs = (fitting[int(rng.random() * len(fitting))],)
    large = "meridian-4-large"
    if models is None:
        models = {
            "person": (large, large, "meridian-4-medium", "corvus-3-pro"),
            "coding": (large, large, large, "meridian-4-small"),
            "library": (
                pick(rng, (large, large, "meridian-4-medium", "meridian-4-small", "corvus-3-pro")),
            ),
        }[use]
    pathway = {"person": "console", "coding": "subscription", "library": "api"}[use]
    if use != "library" and registration.plan in ("payg", "team"):
        pathway = "api" if rng.random() < 0.6 else pathway
    if use == "library" and registration.org_id and rng.random() < 0.12:
        pathway = pick(rng, ("bedrock", "vertex", "azure"))
    client = Client(
        world=world,
        account_id=registration.account_id,
        org_id=registration.org_id,
        api_keys=() if pathway == "console" else (f"key_{hexadecimal(rng, 10)}",),
        programs=programs,
        network=network or make_network(rng),
        models=models,
        pathway=pathway,
        endpoint="chat" if rng.random() < 0.8 else "responses",
        stream=True if use != "library" else rng.random() < 0.35,
        temperatures=rng.choice(((None,), (None,), (0.0,), (0.2,), (0.7,), (1.0,), (0.3, 0.7)))
        if use == "library"
        else (None,),
        top_p=0.95 if use == "library" and rng.random() < 0.15 else None,
        max_tokens=rng.choice(((None,), (1024,), (4096,), (8192,), (16_000,)))
        if use == "library"
        else ((None,), (8192,))[int(rng.random() * 2)],
        response_format="text" if rng.random() < 0.4 else None,
        fixed_seed=rng.randrange(1000) if use == "library" and rng.random() < 0.1 else None,
        logprobs=rng.random() < 0.3 if use == "library" and rng.random() < 0.15 else None,
        samples=rng.choice((1, 1, 2, 3, 4)) if use == "library" and rng.random() < 0.2 else None,
        # Some let the model think long whatever they ask.
        effort=min(8.0, rng.lognormvariate(0.2, 0.9)),
        adopts_release=rng.choice((0.6, 3.0, 9.0, 30.0)),
        error_share=rng.choice((0.01, 0.02, 0.03, 0.06)),
        offset_hours=rng.randrange(-9, 11),
    )
    return replace(client, **habits)  # type: ignore[arg-type]


def _cost(model: Model, read: int, written: int, cached: int, batch: bool) -> float:
    dollars = ((read - 0.9 * cached) * model.input_usd + written * model.output_usd) / 1e6
    return round(dollars * (0.5 if batch else 1.0), 6)


def _any_address(rng: Random, kind: str) -> str:
    """Return an address out of ranges that belong to nobody."""
    if kind == "mobile":
        return f"100.{rng.randrange(96, 128)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    if rng.random() < 0.2:
        return (
            f"2001:db8:{rng.randrange(65536):x}:{rng.randrange(256):x}::{rng.randrange(1, 999):x}"
        )
    return f"100.{rng.randrange(64, 96)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
