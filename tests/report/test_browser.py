"""The report in a real browser: nothing sticks out, the script filters, hostile text stays text.

The page is put into a frame of the wanted width, since headless browsers refuse narrow windows,
and a script of this test reads the frame. The page's own content security policy forbids such
company, so the frame holds the page without it, except where the policy itself is tested.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipelines.report import write_report

from .conftest import AS_OF, FULL_ACCOUNT, PublishedHome, evidence

BROWSER = next(
    filter(
        None,
        map(
            shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        ),
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="needs chromium or google-chrome on PATH to lay the page out"
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
LONG = "an-identifier-without-a-space-" * 12


@pytest.fixture
def report(published_home: PublishedHome) -> Path:
    published_home.add(
        "suspected_extraction_accounts",
        {
            **FULL_ACCOUNT,
            "rank": 5,
            "account_id": LONG,
            "org_id": LONG,
            "campaign_id": LONG,
            "reasons": [evidence(LONG, 14.1, LONG)],
            "not_checked": [LONG],
        },
    )
    published_home.add("suspected_campaigns", {"as_of_date": AS_OF, "campaign_id": LONG})
    published_home.add("ingested_files", {"delivery_date": AS_OF, "file": LONG, "note": LONG})
    return write_report(published_home.path, AS_OF)


def dump_dom(page: Path, tmp_path: Path) -> str:
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        check=True,
        timeout=120,
    )
    return done.stdout.decode("utf-8")


def ask(report: Path, tmp_path: Path, *, width: int, question: str) -> Any:
    """Open the report in a frame `width` pixels wide and return what `question` evaluates to.

    `question` is the body of a JavaScript function of `page`, the framed document.
    """
    text = re.sub(
        r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report.read_text(encoding="utf-8")
    )
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<!doctype html><meta charset="utf-8"><iframe id="f" style="width:{width}px;'
        f'height:900px;border:0" srcdoc="{html.escape(text)}"></iframe>'
        '<script>f.onload = () => { const answer = document.createElement("pre");'
        'answer.id = "answer"; answer.textContent = JSON.stringify('
        f"((page) => {{ {question} }})(f.contentDocument)); document.body.append(answer); }}"
        "</script>",
        encoding="utf-8",
    )
    answer = re.search(r'<pre id="answer">(.*?)</pre>', dump_dom(frame, tmp_path), re.DOTALL)
    assert answer is not None, "the framed page did not load"
    return json.loads(html.unescape(answer[1]))


@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_sticks_out(report: Path, tmp_path: Path, width: int) -> None:
    seen = ask(
        report,
        tmp_path,
        width=width,
        question="""
        for (const one of page.querySelectorAll("details")) one.open = true;
        const root = page.documentElement;
        const wide = [...page.querySelectorAll("body *")].filter((one) =>
            one.getBoundingClientRect().right > root.clientWidth + 1 &&
            !one.closest(".unseen")).map((one) => one.className || one.tagName);
        return [root.scrollWidth, root.clientWidth, wide.slice(0, 5)];
        """,
    )

    scroll_width, client_width, sticking_out = seen
    assert sticking_out == []
    assert scroll_width == client_width


def test_the_filter_and_the_campaign_link_narrow_the_list(report: Path, tmp_path: Path) -> None:
    seen = ask(
        report,
        tmp_path,
        width=1280,
        question="""
        const listed = () => [...page.querySelectorAll("tbody[data-find]")]
            .filter((row) => !row.hidden).length;
        const counts = [listed()];
        const box = page.getElementById("filter");
        box.value = " ACCT_LONE ";
        box.dispatchEvent(new Event("input"));
        counts.push(listed());
        page.querySelector("a[data-filter]").click();
        counts.push(listed());
        page.getElementById("open").click();
        counts.push(page.querySelectorAll("tbody details[open]").length);
        return [counts, box.value, page.getElementById("tool").hidden];
        """,
    )

    assert seen == [[4, 1, 1, 1], "c-7f3a", False]


def test_receipts_open_without_the_script(report: Path, tmp_path: Path) -> None:
    seen = ask(
        report,
        tmp_path,
        width=1280,
        question="""
        const one = page.querySelector("tbody details");
        const closed = one.querySelector(".receipt").getClientRects().length;
        one.querySelector("summary").click();
        return [closed, one.open, one.querySelector(".receipt").getClientRects().length];
        """,
    )

    assert seen[1:] == [True, 1]


def test_hostile_text_does_not_run_and_the_pages_script_does(
    published_home: PublishedHome, tmp_path: Path
) -> None:
    deed = "document.title='owned'"
    attack = f'</script><script>{deed}</script><img src=x onerror="{deed}">'
    published_home.add(
        "suspected_extraction_accounts",
        {
            **FULL_ACCOUNT,
            "rank": 5,
            "account_id": attack,
            "reasons": [evidence(attack, 14.1, attack)],
        },
    )

    seen = dump_dom(write_report(published_home.path, AS_OF), tmp_path)

    assert "<title>Accounts to review, 2026-06-14" in seen
    assert "<img" not in seen
    assert '<div class="tool" id="tool">' in seen, "the policy's hash does not let the script run"
