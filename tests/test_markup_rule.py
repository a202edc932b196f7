"""The rule of `make lint` against markup made from data: it finds offenders under every name, and the product has none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.markup import DRAWING, METADATA, ROOT, offences, template_offences

DAGSTER = [
    "import dagster as dg\nx = dg.MetadataValue.md(text)",
    "import dagster\nx = dagster.MetadataValue.md('a')",
    "from dagster import MetadataValue\nx = MetadataValue.md(text)",
    "from dagster import MetadataValue as M\nx = M.md(text)",
    "import dagster as dg\nmake = dg.MetadataValue.md\nx = make(text)",
    "import dagster as dg\nx = dg.MarkdownMetadataValue(text)",
    "from dagster import MarkdownMetadataValue as Shown\nx = Shown(text)",
    "import dagster as dg\nx = getattr(dg.MetadataValue, 'md')(text)",
    "import dagster as dg\nx = getattr(dg, 'MarkdownMetadataValue')(text)",
    "x = table.to_markdown()",
    "import dagster as dg\nx = dg.AssetCheckResult(passed=True, description=text)",
    "import dagster as dg\nx = dg.TableColumn('a', description=column.description or None)",
    "from dagster import AssetSpec\nx = AssetSpec('a', description=f'Rows of {name}')",
    "import dagster as dg\nx = dg.AssetCheckSpec('a', asset='b', description=' '.join(words))",
    "def f(context):\n    context.log.info('loaded')",
    "def f(context):\n    load(log=context.log.info)",
]
CONSOLE = [
    "import streamlit as st\nst.markdown('a', unsafe_allow_html=True)",
    "import streamlit as st\nst.markdown('a', **{'unsafe_allow_html': True})",
    "import streamlit as st\nst.write(tr('{name} is wrong', name=name))",
    "import streamlit as st\nst.write(tr(text))",
    "import streamlit as st\nst.write(retold(reason))",
    "import streamlit as st\nst.html(f'<b>{name}</b>')",
    "import streamlit as st\nst.html(text)",
    "import streamlit as st\nst.iframe(url)",
    "from streamlit.components import v1\nv1.html(text)",
    "import streamlit.components.v1 as components\ncomponents.html(text)",
    "from streamlit import components\ncomponents.v1.html(text)",
    "from streamlit import markdown\nmarkdown(text)",
    "from streamlit import error as tell\ntell(text)",
    "import streamlit as st\ntell = st.error\ntell(text)",
    "import streamlit as st\nst.error(text)",
    "import streamlit as st\nst.error(str(error))",
    "import streamlit as st\nst.warning(f'{file} is wrong')",
    "import streamlit as st\nst.info('wrong: ' + file)",
    "import streamlit as st\nst.info('wrong: %s' % file)",
    "import streamlit as st\nst.info('wrong: {}'.format(file))",
    "import streamlit as st\nst.success(', '.join(names))",
    "import streamlit as st\nst.caption(names[0])",
    "import streamlit as st\nst.write(entry.file)",
    "import streamlit as st\nst.toast(f'{entry.file:>10}')",
    "import streamlit as st\nst.text_input(column)",
    "import streamlit as st\nst.text_input('a', help=column)",
    "import streamlit as st\nst.button(label=column)",
    "import streamlit as st\nst.tabs([one, two])",
    "import streamlit as st\nst.radio('a', names, captions=names)",
    "import streamlit as st\nst.progress(0.5, text)",
    "import streamlit as st\nst.progress(0.5, text=text)",
    "import streamlit as st\nst.metric(name, 1)",
    "import streamlit as st\nst.metric('a', 1, delta=name)",
    "import streamlit as st\nleft, right = st.columns(2)\nleft.error(name)",
    "import streamlit as st\nst.sidebar.markdown(name)",
    "import streamlit as st\nst.expander(name)",
    "import streamlit as st\nst.error(plain('a') + name)",
    "import streamlit as st\nst.error(name or plain('a'))",
    "import streamlit as st\nst.error(plain('a') if x else name)",
]
FINE = [
    "import streamlit as st\nst.write(tr('{rows} of it', rows=counted(n, 'row')))\nst.write(plain(tr('{name} is wrong', name=name)))",
    "import streamlit as st\nst.error('Nothing was loaded yet.')",
    "import streamlit as st\nst.error(plain(error))",
    "import streamlit as st\nst.error(frame.plain(f'{name} is wrong'))",
    "import streamlit as st\nst.success(f'All {rows:,} rows are right.')",
    "import streamlit as st\nst.success(f'{len(rows)} rows; {counted(n, \"row\")}')",
    "import streamlit as st\nst.text(name)\nst.code(name)\nst.dataframe(rows)",
    "import streamlit as st\nst.html(STYLE)",
    "import streamlit as st\nst.tabs(['Form', 'CSV file'])",
    "import dagster as dg\nx = dg.AssetCheckResult(passed=True, description=plain(text))",
    "import dagster as dg\nx = dg.TableColumn('a', description=plain(text) or None)",
    "import dagster as dg\nx = dg.AssetSpec('a', description=contract_in_words(contract))",
]


@pytest.mark.parametrize("text", DAGSTER)
@pytest.mark.parametrize("path", ["platform_assets/components/sql.py", "console/pages/runs.py", "resources/new.py"])
def test_markdown_for_dagster_is_made_in_one_place(path: str, text: str) -> None:
    assert list(offences(Path(path), text))


@pytest.mark.parametrize("text", CONSOLE)
def test_widgets_that_read_markdown_get_none_of_data(text: str) -> None:
    assert list(offences(Path("console/pages/new.py"), text))


@pytest.mark.parametrize("text", FINE)
def test_words_of_the_code_and_escaped_ones_may_be_shown(text: str) -> None:
    assert list(offences(Path("console/pages/new.py"), text)) == []


@pytest.mark.parametrize(
    "text",
    [
        "from markupsafe import Markup\nx = Markup(name)",
        "from markupsafe import Markup as M\nx = M(f'<b>{name}</b>')",
        "import markupsafe\nx = markupsafe.Markup('<b>' + name)",
    ],
)
def test_html_of_the_dashboard_is_made_in_one_place(text: str) -> None:
    assert list(offences(Path("dashboard/pages.py"), text))
    assert list(offences(Path(DRAWING), text)) == []


@pytest.mark.parametrize(
    "text",
    ["{{ name | safe }}", "{% autoescape false %}", '<p style="{{ x }}">', "<a onclick='go()'>", "{{ name|safe }}"],
)
def test_templates_show_text_and_nothing_else(text: str) -> None:
    assert list(template_offences(f"<p>fine</p>\n{text}"))
    assert list(template_offences("<p>{{ name }} is safe; {{ name | capitalize }}</p>")) == []


def test_the_one_place_may() -> None:
    assert list(offences(Path(METADATA), "import dagster as dg\nx = dg.MetadataValue.md(markdown)")) == []


def test_the_product_keeps_the_rule_and_a_planted_offender_fails_the_command(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "markup.py")]
    assert subprocess.run(command, capture_output=True, text=True, check=False).returncode == 0
    (tmp_path / "console").mkdir()
    (tmp_path / "console" / "page.py").write_text(CONSOLE[0])
    failed = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "page.py:2: unsafe_allow_html" in failed.stdout
