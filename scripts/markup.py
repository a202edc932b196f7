"""`make lint`: text becomes Markdown or HTML in one place only (`resources/text/markdown.py`), and widgets that read Markdown get no other.

    python scripts/markup.py [FOLDER ...]

Refused, under whatever name they were imported: Dagster's Markdown metadata outside of `platform_assets/components/metadata.py`, HTML in the
console, HTML made of text outside of `dashboard/figures/drawing.py`, and what reads Markdown (a widget, a description of Dagster's) with words that are neither written in the code nor made by
`resources.text.markdown`. A run's log, on whose page every address becomes a link, is written by `Told` only.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("platform_assets", "console", "dashboard", "resources", "door")
DRAWING = "dashboard/figures/drawing.py"
"""The one module that makes markup of the dashboard's pictures; its templates escape everything."""
METADATA = "platform_assets/components/metadata.py"
"""The one module that gives Markdown to Dagster."""
WIDGETS = frozenset(
    {
        *(
            "badge",
            "button",
            "caption",
            "checkbox",
            "color_picker",
            "date_input",
            "download_button",
            "error",
            "expander",
        ),
        *(
            "feedback",
            "file_uploader",
            "form_submit_button",
            "header",
            "info",
            "link_button",
            "markdown",
            "menu_button",
        ),
        *("metric", "multiselect", "number_input", "page_link", "pills", "popover", "radio", "segmented_control"),
        *("select_slider", "selectbox", "slider", "spinner", "status", "subheader", "success", "tabs", "text_area"),
        *("text_input", "time_input", "title", "toast", "toggle", "warning", "write", "write_stream", "camera_input"),
        *("audio_input", "chat_message", "chat_input", "exception", "progress", "dialog", "data_editor_help"),
    }
)
"""Streamlit's functions that read their first argument, or the named ones below, as Markdown."""
NAMED = frozenset(
    {"label", "body", "help", "text", "caption", "captions", "placeholder_label", "title", "tabs", "delta"}
)
SAFE = frozenset(
    {
        "plain",
        "fenced",
        "bold",
        "bullets",
        "together",
        "beside",
        "counted",
        "number",
        "share",
        "when",
        "len",
        "limit_mb",
        "sum",
        "round",
    }
)
"""Functions whose result may be shown: those of `resources.text.markdown`, and such as give numbers or their own words."""
IN_WORDS = frozenset({"_in_words", "contract_in_words"})
"""Functions that return Markdown of `resources.text.markdown`; mypy sees to that."""
DESCRIBED = frozenset(
    {
        *("AssetCheckEvaluation", "AssetCheckResult", "AssetCheckSpec", "AssetMaterialization", "AssetObservation"),
        *("AssetSpec", "In", "OpDefinition", "Out", "TableColumn", "asset", "asset_check", "define_asset_job", "graph"),
        *(
            "graph_asset",
            "graph_multi_asset",
            "job",
            "multi_asset",
            "multi_asset_check",
            "observable_source_asset",
            "op",
        ),
        *("AssetOut", "AssetIn", "SourceAsset", "GraphOut", "GraphIn"),
    }
)
"""Of Dagster: their `description` is read as Markdown on its pages, and pictures in it are fetched. Those
of fields, sensors and schedules are shown as text (tried in a browser)."""
PAGE_HTML = frozenset({"html", "iframe", "declare_component"})


def offences(path: Path, text: str) -> Iterator[str]:
    """What is wrong in a file, as ``line: what``."""
    tree = ast.parse(text)
    console = "console" in path.parts
    names = {
        a.asname or a.name: f"{n.module}.{a.name}"
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom)
        for a in n.names
    }
    for node in ast.walk(tree):
        if not path.as_posix().endswith(METADATA) and _is_dagsters(node, names):
            yield f"{node.lineno}: Markdown for Dagster is made by `shown` in {METADATA}"  # type: ignore[attr-defined]
        yield from _described(node)
        if not path.as_posix().endswith(METADATA) and _writes_a_runs_log(node):
            yield f"{node.lineno}: in a run's log every address becomes a link: write it by `Told` of {METADATA}"  # type: ignore[attr-defined]
        if isinstance(node, ast.keyword) and node.arg in ("unsafe_allow_html", "unsafe_allow_javascript"):
            yield f"{node.value.lineno}: {node.arg}: data could become markup; use resources.text.markdown"
        if isinstance(node, ast.Constant) and node.value in ("unsafe_allow_html", "unsafe_allow_javascript"):
            yield f"{node.lineno}: {node.value}: data could become markup; use resources.text.markdown"
        if isinstance(node, ast.Attribute) and node.attr == "to_markdown":
            yield f"{node.lineno}: to_markdown escapes nothing: show a table, or use resources.text.markdown.table"
        if isinstance(node, ast.Call) and not path.as_posix().endswith(DRAWING):
            called = ast.unparse(node.func).rpartition(".")[2]
            if (called == "Markup" or names.get(called) == "markupsafe.Markup") and not all(map(_safe, node.args)):
                yield f"{node.lineno}: text becomes HTML in {DRAWING} only, where it is escaped"
        if console:
            yield from _in_console(node, names)


def _is_dagsters(node: ast.AST, names: dict[str, str]) -> bool:
    if isinstance(node, ast.Attribute):
        last = ast.unparse(node.value).rpartition(".")[2]
        metadata = last == "MetadataValue" or names.get(last, "").endswith(".MetadataValue")
        return node.attr == "MarkdownMetadataValue" or (metadata and node.attr == "md") or node.attr == "md"
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == "MarkdownMetadataValue" for alias in node.names)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "getattr"
        and any(isinstance(a, ast.Constant) and a.value in ("md", "MarkdownMetadataValue") for a in node.args)
    )


def _described(node: ast.AST) -> Iterator[str]:
    """Descriptions that are made of data."""
    if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] not in DESCRIBED:
        return
    for keyword in node.keywords:
        value = keyword.value
        if isinstance(value, ast.BoolOp):
            value = ast.List(elts=value.values)
        parts = value.elts if isinstance(value, ast.List) else [value]
        safe = all(_safe(part) or _is_call(part, IN_WORDS) for part in parts)
        if keyword.arg == "description" and not safe:
            yield f"{keyword.value.lineno}: Dagster reads a description as Markdown: give it plain({ast.unparse(keyword.value)[:60]})"


def _is_call(value: ast.expr, names: frozenset[str]) -> bool:
    return isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in names


def _writes_a_runs_log(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "log" and ast.unparse(node.value) == "context"


def _in_console(node: ast.AST, names: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("streamlit"):
        taken = {a.name for a in node.names} & (WIDGETS | PAGE_HTML | {"components"})
        if taken:
            yield f"{node.lineno}: call it as st.{min(taken)}, so that this rule sees it"
    if isinstance(node, ast.Import) and any(a.name.startswith("streamlit.components") for a in node.names):
        yield f"{node.lineno}: streamlit.components shows HTML: data could become markup"
    taken_as = node.value if isinstance(node, ast.Assign) else None
    if (
        isinstance(taken_as, ast.Attribute)
        and taken_as.attr in WIDGETS | PAGE_HTML
        and ast.unparse(taken_as.value) == "st"
    ):
        yield f"{taken_as.lineno}: call it as st.{taken_as.attr}, so that this rule sees it"
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    name = node.func.attr
    if name in PAGE_HTML and not all(_constant_of_module(a) for a in node.args):
        yield f"{node.lineno}: {name} shows HTML: only a constant of the module may be given to it"
    if name not in WIDGETS or (name == "title" and not node.args):
        return
    if ast.unparse(node.func.value) in ("sys.stdout", "sys.stderr"):  # a terminal, no page
        return
    shown = [node.args[1]] if name == "progress" and len(node.args) > 1 else [] if name == "progress" else node.args[:1]
    shown += [k.value for k in node.keywords if k.arg in NAMED]
    for value in shown:
        if not _safe(value):
            yield f"{node.lineno}: {name} reads Markdown: give it plain({ast.unparse(value)[:60]})"


def _safe(value: ast.expr) -> bool:
    """Whether `value` is written in the code, made by `resources.text.markdown`, or a number between such words."""
    match value:
        case ast.Constant():
            return True
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.BoolOp(values=parts):
            return all(map(_safe, parts))
        case ast.JoinedStr(values=parts):
            return all(_safe(p) if isinstance(p, ast.Constant) else _safe_hole(p) for p in parts)
        case ast.IfExp(body=one, orelse=other):
            return _safe(one) and _safe(other)
        case ast.BinOp(left=one, right=other, op=ast.Add()):
            return _safe(one) and _safe(other)
        case ast.Call(
            func=ast.Name(id="tr"), args=[ast.Constant()], keywords=parts
        ):  # the console's own words, and what is put into them
            return all(_safe(part.value) for part in parts)
        case ast.Call(func=function):
            return ast.unparse(function).rpartition(".")[2] in SAFE and not ast.unparse(function).startswith("str.")
        case ast.Name(id=name):
            return name.isupper()
    return False


def _safe_hole(hole: ast.expr) -> bool:
    """A part of an f-string: safe words, or what is formatted as a number, which text cannot be."""
    if not isinstance(hole, ast.FormattedValue):
        return False
    spec = ast.unparse(hole.format_spec).strip("f'\"") if hole.format_spec else ""
    return _safe(hole.value) or (spec != "" and spec[-1] in ",d%f" and spec.strip(",.0123456789d%f") == "")


def _constant_of_module(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) or (isinstance(value, ast.Name) and value.id.isupper())


def template_offences(text: str) -> Iterator[str]:
    """What would let a template show data as markup, as ``line: what``."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\|\s*safe\b|autoescape|Markup|\sstyle=|\son[a-z]+=", line):
            yield f"{number}: a template shows text, and has neither styles nor scripts in it"


def main(folders: list[str]) -> int:
    """Print what is wrong; 1 where anything is."""
    found = [
        f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path}:{offence}"
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        for offence in offences(path, path.read_text(encoding="utf-8"))
    ]
    found += [
        f"{path}:{offence}"
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.html"))
        if path.parent.name == "templates"
        for offence in template_offences(path.read_text(encoding="utf-8"))
    ]
    print("\n".join(found) or "no markup is made from data")  # noqa: T201
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(FOLDERS)))
