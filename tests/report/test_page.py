"""The HTML report as a file: whole, honest, escaped, readable without a browser's goodwill."""

import base64
import hashlib
import itertools
import re
from dataclasses import dataclass, field
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipelines.errors import UserError
from pipelines.report import write_report

from .conftest import AS_OF, EARLIER, FULL_ACCOUNT, PublishedHome, evidence

VOID_TAGS = {"meta", "input", "br", "link", "img", "hr"}
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>\u202e"


@dataclass
class Page(HTMLParser):
    """A strict reading of a page: unbalanced tags are kept as faults."""

    faults: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID_TAGS:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")
        if tag in {"td", "th", "dt", "dd", "li", "p"}:
            self.text += " "

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in {"style", "script"}:
            self.text += data

    def close(self) -> None:
        super().close()
        self.faults += [f"<{tag}> is never closed" for tag in self._open]

    def words(self) -> str:
        return " ".join(self.text.split())


def read_page(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    return page


@pytest.fixture
def page(published_home: PublishedHome) -> Page:
    return read_page(write_report(published_home.path, AS_OF))


def test_the_page_is_well_formed_and_accessible(page: Page) -> None:
    assert page.faults == []
    attributes = dict(page.tags)
    assert attributes["html"]["lang"] == "en"
    assert ("title", {}) in page.tags
    assert any(tag == "meta" and a.get("name") == "viewport" for tag, a in page.tags)
    headers = [a for tag, a in page.tags if tag == "th"]
    assert headers
    assert all(a.get("scope") in {"row", "col"} for a in headers)
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables == sum(tag == "caption" for tag, _ in page.tags)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_the_page_needs_nothing_from_elsewhere(page: Page) -> None:
    outside = [
        (tag, name)
        for tag, attributes in page.tags
        for name, target in attributes.items()
        if name in {"src", "href", "srcset", "action"} and not (target or "").startswith("#")
    ]
    assert outside == []
    assert not any(tag in {"link", "img", "iframe", "object"} for tag, _ in page.tags)


def test_only_the_pages_own_script_may_run(published_home: PublishedHome) -> None:
    text = write_report(published_home.path, AS_OF).read_text(encoding="utf-8")

    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_the_page_says_what_the_list_is(page: Page) -> None:
    words = page.words()

    assert "queue for review and not a finding" in words
    assert "prior of 1 in 500" in words
    assert "takes no action on any account" in words
    assert "Accounts seen 4" in words
    assert "On the list 3" in words
    assert "Campaigns 1" in words
    assert "Request rows set aside 7 rejected of 1,010 delivered; 3 more were repeats" in words


def test_the_receipt_on_the_page_adds_up(page: Page) -> None:
    words = page.words()
    receipt = words[words.index("Prior: 1 in 500") : words.index("The case for innocence")]
    figures = [
        float(figure.replace("\N{MINUS SIGN}", "-"))
        for figure in re.findall(
            r"(?<= )[+\N{MINUS SIGN}]\d+\.\d\d(?= (?:[<>] )?[\d.]+ %)", receipt
        )
    ]

    *lines, total = figures
    assert len(lines) == 5
    assert sum(lines) == pytest.approx(total, abs=1e-9)
    assert "97.2 %" in receipt


def test_bars_of_a_receipt_join(page: Page) -> None:
    """Each bar starts or ends where its neighbour does, so that the drawing adds up as well."""
    spans = [
        re.fullmatch(r"left:(-?[\d.]+)%;width:([\d.]+)%", a["style"] or "")
        for tag, a in page.tags
        if tag == "span" and "left:" in (a.get("style") or "")
    ]
    ends = [(float(m[1]), float(m[1]) + float(m[2])) for m in spans if m]
    full = ends[:6]  # prior, three reasons, one exculpatory, total

    assert len(ends) == len(spans)
    for former, latter in itertools.pairwise(full[:-1]):
        assert min(abs(a - b) for a in former for b in latter) < 0.05
    assert abs(full[-1][1] - full[-2][0]) < 0.05
    assert all(left >= 0 and right <= 100 for left, right in ends)


def test_checks_and_deliveries_are_told(page: Page) -> None:
    words = page.words()

    assert "1 check of the data did not pass for this day (1 critical)" in words
    assert "1 of 2 checks passed" in words
    assert "7 of 1,000" in words
    assert "Ask the gateway's owner for a corrected export." in words
    assert "account_id is missing requests 7" in words


def test_every_value_is_text_and_never_markup(empty_home: PublishedHome) -> None:
    hostile = {
        **FULL_ACCOUNT,
        "account_id": HOSTILE,
        "org_id": HOSTILE,
        "campaign_id": HOSTILE,
        "reasons": [evidence(HOSTILE, 14.1, HOSTILE)],
        "exculpatory": [evidence(HOSTILE, 0.0, HOSTILE)],
        "not_checked": [HOSTILE],
        "review_status": HOSTILE,
    }
    empty_home.add("suspected_extraction_accounts", hostile)
    empty_home.add(
        "suspected_campaigns",
        {"as_of_date": AS_OF, "campaign_id": HOSTILE, "shared_evidence": [HOSTILE]},
    )
    names = ("suite", "table_name", "column_name", "severity", "outcome", "observed", "promise")
    empty_home.add("data_quality_results", {"day": AS_OF, **dict.fromkeys(names, HOSTILE)})
    empty_home.add(
        "ingested_files",
        {"delivery_date": AS_OF, **dict.fromkeys(("table_name", "file", "note"), HOSTILE)},
    )
    empty_home.add("rejected_rows", {"delivery_date": AS_OF, "reason": HOSTILE})
    empty_home.add("scoring_settings", {"name": HOSTILE, "number": 1.0, "meaning": HOSTILE})

    path = write_report(empty_home.path, AS_OF)

    page = read_page(path)
    assert page.faults == []
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert not any(tag == "img" for tag, _ in page.tags)
    assert not any(name.startswith("on") for _, a in page.tags for name in a)
    assert "\u202e" not in path.read_text(encoding="utf-8")
    assert page.text.count("<script>alert('x')</script>") > 15


def test_an_empty_list_is_an_honest_page(empty_home: PublishedHome) -> None:
    empty_home.add(
        "ingested_files",
        {
            "table_name": "requests",
            "delivery_date": AS_OF,
            "rows_in": 0,
            "rows_kept": 0,
            "rows_rejected": 0,
            "rows_duplicate": 0,
        },
    )

    page = read_page(write_report(empty_home.path, None))

    words = page.words()
    assert page.faults == []
    assert "No account is on the list of this day. That is not a finding" in words
    assert "No account was seen" in words
    assert "0 request rows, of which 0 were kept" in words
    assert "No check is recorded for this day" in words
    assert not any(tag == "script" for tag, _ in page.tags)


def test_missing_side_tables_are_told_and_not_taken_for_good_news(tmp_path: Path) -> None:
    home = PublishedHome(tmp_path).create_tables(
        ["suspected_extraction_accounts", "suspected_campaigns"]
    )
    home.add("suspected_extraction_accounts", FULL_ACCOUNT)

    words = read_page(write_report(home.path)).words()

    assert "nothing here vouches for the data" in words
    assert "Accounts seen not known" in words
    assert "read a score as an order of review" in words


def test_a_long_list_is_cut_and_says_so(published_home: PublishedHome) -> None:
    published_home.run(
        "insert into suspected_extraction_accounts by name select date '2026-06-14' as as_of_date, "
        "(100 + range)::integer as rank, 'more_' || range as account_id from range(300)"
    )

    page = read_page(write_report(published_home.path, AS_OF))

    assert sum("data-find" in attributes for _, attributes in page.tags) == 200
    assert "The first 200 of 303; 103 more:" in page.words()
    assert "extraction-watch rank --as-of 2026-06-14 --top 303" in page.words()


def test_an_older_list_and_a_later_delivery_are_announced(published_home: PublishedHome) -> None:
    published_home.add("ingested_files", {"delivery_date": date(2026, 6, 15)})

    assert (
        "The newest is of 2026-06-14"
        in read_page(write_report(published_home.path, EARLIER)).words()
    )
    assert (
        "1 later delivery has arrived without a list of its own: 2026-06-15"
        in read_page(write_report(published_home.path)).words()
    )


def test_the_report_is_the_same_each_time_and_leaves_nothing_else(
    published_home: PublishedHome,
) -> None:
    path = write_report(published_home.path, AS_OF)
    first = path.read_bytes()

    assert write_report(published_home.path, None) == path
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["2026-06-14.html"]


def test_nothing_published_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="extraction-watch run"):
        write_report(tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_an_id_that_looks_like_an_option_stays_an_argument(empty_home: PublishedHome) -> None:
    empty_home.add("suspected_extraction_accounts", {**FULL_ACCOUNT, "account_id": "-rf $(id)"})

    words = read_page(write_report(empty_home.path, AS_OF)).words()

    assert "extraction-watch explain --as-of 2026-06-14 -- '-rf $(id)'" in words


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_text_stands_out_from_its_ground(published_home: PublishedHome, theme: str) -> None:
    """WCAG 2 AA: 4.5 to 1 for text, 3 to 1 for the bars."""
    style = write_report(published_home.path, AS_OF).read_text(encoding="utf-8")
    themes = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)
    colors = dict(re.findall(r"--(\S+): (#[0-9a-f]{3,6})", themes[0]))
    chosen = themes[("light", "dark", "print").index(theme)]
    colors |= dict(re.findall(r"--(\S+): (#[0-9a-f]{3,6})", chosen))

    for ground in ("paper", "card"):
        for ink in ("ink", "quiet", "for", "alarm"):
            assert contrast(colors[ink], colors[ground]) >= 4.5, (ink, ground)
        for ink in ("against", "prior"):
            assert contrast(colors[ink], colors[ground]) >= 3, (ink, ground)
    assert contrast(colors["alarm"], colors["alarm-paper"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of WCAG 2 (section 1.4.3) of two hex colours."""
    lights = sorted((luminance(one), luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
    parts = [int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
