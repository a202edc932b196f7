"""Markup as it may stand in data: in a laboratory's name, a column, a file's name, an error, a reason."""

from __future__ import annotations

from collections.abc import Iterator

HOST = "http://markup.invalid:9"
MARK = "Zq7"
"""Stands in every sample that has letters, so that a page can be searched for it."""
SAMPLES = (
    f"![{MARK}]({HOST}/b.png)",
    f"![{MARK}][ref]\n\n[ref]: {HOST}/b.png",
    f"[{MARK}]({HOST})",
    f"[{MARK}](javascript:alert(1))",
    f"[{MARK}][ref]\n[ref]: {HOST}",
    f"<{HOST}/{MARK}>",
    f"{HOST}/{MARK}",
    f"see {HOST.upper()}/{MARK}.",
    f"https://markup.invalid/{MARK}?a=b&c=d",
    f"www.markup.invalid/{MARK}",
    f"WWW.markup.invalid/{MARK}",
    f"(www.markup.invalid/{MARK})",
    f"{MARK}@markup.invalid",
    f"mailto:{MARK}@markup.invalid",
    f"xmpp:{MARK}@markup.invalid/x",
    f"<img src='{HOST}/b.png' onerror=alert(1)>{MARK}",
    f"<a href='{HOST}'>{MARK}</a>",
    f"<script>alert('{MARK}')</script>",
    f"<!-- {MARK} -->",
    f"&lt;b&gt;{MARK}&#x26;&amp;",
    f"&#60;img src={HOST}/b.png&#62;{MARK}",
    f"**{MARK}** _{MARK}_ __{MARK}__ *{MARK}* ~~{MARK}~~ ~{MARK}~",
    f"# {MARK}",
    f"{MARK}\n===",
    f"{MARK}\n---",
    f"- {MARK}\n+ {MARK}\n* {MARK}",
    f"1. {MARK}\n2) {MARK}",
    f"> {MARK}",
    f"    {MARK} indented",
    f"\t{MARK} tab",
    f"| {MARK} | b |\n|---|---|\n| c | d |",
    f"`{MARK}` ``{MARK}``",
    f"```\n{MARK}\n```",
    f"~~~\n{MARK}\n~~~",
    f"````{MARK}",
    f"{MARK}[^1]\n\n[^1]: note",
    f":red[{MARK}] :blue-background[{MARK}] :small[{MARK}]",
    f":smile: :+1: :100: {MARK}",
    f":material/home: :streamlit: {MARK}",
    f"$\\int {MARK}$ $$x^2$$",
    f"\\({MARK}\\) \\[{MARK}\\]",
    f"\\![{MARK}]({HOST}/b.png) \\\\[a]({HOST})",
    f"{MARK}  \nhard break\\\nbreak",
    f"***\n{MARK}",
    f"[x] {MARK} - [ ] {MARK}",
    f"{MARK} -> <- <-> -- >= <= ~=",
    f"{MARK}\u2028# {MARK}\u2029![a]({HOST}/b.png)\u0085# x",
    f"\u202e{MARK}\u200b:smi\u200ble:\ufeff\x00\x1b[31m",
    f"ht\u2060tp://markup.invalid/{MARK} {HOST[:5]}\u200b{HOST[5:]}",
    f"^{MARK}^ ==mark== ++ins++ {{.class}} {{{{x}}}} %%",
    f"::: {MARK}\n:::",
    f"@user #123 {MARK} owner/repo#1",
)


def variants() -> Iterator[str]:
    """The samples alone, in words, after each other and on lines of their own."""
    for number, sample in enumerate(SAMPLES):
        other = SAMPLES[(number * 7 + 3) % len(SAMPLES)]
        yield sample
        yield f"laboratory {sample} of week 3"
        yield f"\n\n{sample}\n\n{other}\n"
        yield f"'{sample}'|{other}"
        yield sample.replace(" ", "")
