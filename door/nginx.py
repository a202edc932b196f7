"""``python -m door.nginx > deploy/nginx/rules.conf``: the same rules for nginx, which stands before the webservers of the cluster.

nginx decides on the line that the browser sent (``$request``), never on the path that nginx made of it. For each server it sets
``$<server>_rule`` (empty: not listed), ``$<server>_passes`` (what is passed on), and what is wrong with the headers: 1 is refused.
"""

from __future__ import annotations

import sys

from door.rules import DAGSTER, DASHBOARD, FETCHED, MEGABYTE, SAY_WHERE_FROM, SIGN_IN, Kind, Rule, console

HEAD = """# Written by `python -m door.nginx` from door/rules.py, where the reasons stand; a test compares. Do not change it here.

# the address under which we are known must be the one that was asked for
map "$own_origin $http_host" $strange_host {
  default 1;
  "~*^https?://([^ ]+) \\1$" 0;
}
"""


def written(largest_upload: int = 200 * MEGABYTE) -> str:
    """The file's text."""
    servers = {
        "dagster": (*DAGSTER, *SIGN_IN),
        "console": (*console(largest_upload), *SIGN_IN),
        "dashboard": (*DASHBOARD, *SIGN_IN),
    }
    return HEAD + "".join(_server(name, rules) for name, rules in servers.items())


def _server(server: str, rules: tuple[Rule, ...]) -> str:
    asked = [(f"^{_upgrade(r)} (?:{r.methods}) {r.target} HTTP/1\\.[01]$", r.name) for r in rules]
    passes = [(r.name, r.passes) for r in rules if r.passes]
    fetched = [
        (f"^{_names(rules, kind)} (?:{FETCHED[kind]})$", "0") for kind in Kind if any(r.kind is kind for r in rules)
    ]
    quiet = "|".join(r.name for r in rules if r.kind not in SAY_WHERE_FROM)
    foreign = [(r"^[a-z-]+ ([^ ]+) \1$", "0"), (f"^(?:{quiet}) [^ ]+ $", "0")]
    content = [(f"^{r.name} {r.content}$", "0") for r in rules if r.content]
    content.append((f"^(?:{'|'.join(r.name for r in rules if not r.content)}) ", "0"))
    with_body = "|".join(r.name for r in rules if r.largest)
    without = "|".join(r.name for r in rules if not r.largest)
    size = [(f"^(?:{with_body}) [0-9]+ $", "0"), (f"^(?:{without}) 0? $", "0")]
    rule = f"${server}_rule"
    return (
        _map("$http_upgrade $request", rule, '""', asked)
        + _map(rule, f"${server}_passes", "$request_uri", passes, regular=False)
        + _map(
            f"{rule} $http_sec_fetch_site $http_sec_fetch_mode $http_sec_fetch_dest",
            f"${server}_elsewhere",
            "1",
            fetched,
        )
        + _map(f"{rule} $own_origin $http_origin", f"${server}_foreign", "1", foreign)
        + _map(f"{rule} $http_content_type", f"${server}_other_content", "1", content)
        + _map(f"{rule} $http_content_length $http_transfer_encoding", f"${server}_other_size", "1", size)
    )


def _map(source: str, result: str, default: str, lines: list[tuple[str, str]], regular: bool = True) -> str:
    sign = "~" if regular else ""
    body = "".join(f'  "{sign}{pattern}" {value};\n' for pattern, value in lines)
    return f'map "{source}" {result} {{\n  default {default};\n{body}}}\n'


def _upgrade(rule: Rule) -> str:
    return "(?i:websocket)" if rule.kind is Kind.SOCKET else ""


def _names(rules: tuple[Rule, ...], kind: Kind) -> str:
    return f"(?:{'|'.join(r.name for r in rules if r.kind is kind)})"


if __name__ == "__main__":
    sys.stdout.write(written())
