"""User agents and referrers, taken apart by rules whose version stands in the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from platform_assets.contracts.model import Contract
from platform_assets.ingest.parsed.agents import agent, rules
from platform_assets.ingest.parsed.referrers import KNOWN, referrer
from tests.conftest import Bench

Make = Callable[..., Bench]
AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
)


def told(column: str, what: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "parsed_from": {"column": column, "as": what, **more}}


VISITS: dict[str, Any] = {
    "name": "visits",
    "description": "Lines of an access log.",
    "owner": "team:test",
    "format": [
        {"kind": "lines", "lines": r'(?P<ip>\S+) "(?P<referrer>[^"]*)" "(?P<agent>[^"]*)"'},
        {"kind": "csv"},
    ],
    "load": {"mode": "append"},
    "null_tokens": ["", "-"],
    "columns": {
        "ip": {"type": "string", "role": "identifier"},
        "referrer": {"type": "string", "required": False},
        "agent": {"type": "string", "required": False},
        "browser": told("agent", "browser"),
        "is_bot": {**told("agent", "is_bot"), "type": "boolean"},
        "agent_rules": told("agent", "rules"),
        "medium": {
            **told("referrer", "medium", own=["example.org"]),
            "type": "categorical",
            "in": ["internal", "search", "social", "email", "other", "absent"],
        },
        "source": told("referrer", "source"),
    },
    "quality": {"max_quarantined": 1.0},
}


def test_columns_are_told_by_others_in_files_of_every_kind(bench: Make) -> None:
    lab = bench(Contract.model_validate(VISITS))
    (entry,) = lab.send(
        "a.log",
        f'1.1.1.1 "https://www.google.nl/" "{AGENT}"\n1.1.1.2 "-" "-"\n1.1.1.3 "http://shop.example.org/x" "curl/8.0"\nno line\n',
    ).entries
    assert (entry.valid, entry.quarantined, entry.drift) == (3, 1, {})
    assert lab.table("browser", "is_bot", "medium", "source", "agent_rules") == [
        ("Chrome", False, "search", "Google", rules()),
        ("curl", True, "internal", "shop.example.org", rules()),
        (None, None, "absent", None, rules()),
    ]
    # a file may hold the columns, as one of mended rows does: what the text says counts
    lab.send("b.csv", f'ip,referrer,agent,browser,medium\n1.1.1.4,https://t.co/x,"{AGENT}",Netscape,other\n')
    assert lab.sql("SELECT browser, medium, source FROM {validated} WHERE source = 'X'") == [("Chrome", "social", "X")]
    assert all(
        r == ("Chrome",)
        for r in lab.sql("SELECT DISTINCT browser FROM {raw} WHERE browser LIKE 'C%' OR browser LIKE 'N%'")
    )
    lab.assert_nothing_lost()


@pytest.mark.parametrize(
    "text",
    [
        "Mozilla/5.0 (Linux; Android 9; CUBOT X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/90.0 Mobile Safari/537.36",
        AGENT,
    ],
)
def test_a_telephone_is_no_bot(text: str) -> None:
    assert agent(text)["is_bot"] == "false"


@pytest.mark.parametrize(
    "text",
    ["Mozilla/5.0 (compatible; SomethingBot/1.0)", "python-requests/2.31", "Wget/1.2", "facebookexternalhit/1.1"],
)
def test_programs_are_bots(text: str) -> None:
    assert agent(text)["is_bot"] == "true"


@pytest.mark.parametrize("medium", KNOWN)
def test_every_host_of_the_list_is_known_and_those_below_it_and_no_other(medium: str) -> None:
    for name, hosts in KNOWN[medium].items():
        for host in hosts.split():
            address = f"https://{host if '.' in host else host + '.com'}"
            below = address.replace("https://", "https://www.")
            for told_as in (address, below, f"{address.upper()}:443/a?b"):
                assert referrer(told_as) == {"medium": medium, "source": name}, told_as
            assert referrer(address.replace("https://", "https://not"))["medium"] == "other"
            assert referrer(f"https://evil.test/{address}")["medium"] == "other"


@pytest.mark.parametrize("text", ["http://[bad", "://", "%%%", "android-app://com.app/", "\x00", "x" * 5000])
def test_what_is_no_address_is_told_as_other(text: str) -> None:
    assert referrer(text)["medium"] == "other"
    assert agent(text)["rules"]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"agent_rules": {"type": "string"}}, "add a column that keeps their version"),
        ({"browser": told("agnt", "browser")}, "there is no column 'agnt'"),
        ({"source": told("ip", "source")}, "identifiers are never taken apart"),
        ({"browser": {**told("agent", "browser"), "type": "integer"}}, "it is a text"),
        ({"browser": {**told("agent", "browser"), "from": "x"}}, "the column is not in the file"),
        ({"browser": told("agent", "browser", own=["x"])}, "'own' is for referrers"),
    ],
)
def test_what_cannot_be_meant_is_refused(columns: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Contract.model_validate({**VISITS, "columns": {**VISITS["columns"], **columns}})
