"""The words of an alert: a card without its Markdown, an error without what it quotes."""

from __future__ import annotations

from pathlib import Path

from platform_assets.monitoring.findings import Finding, latest, one_line, plain, without_quotes, wrong
from resources.notifier import Alert
from resources.r_runtime import FailureCard, InputTable
from resources.r_runtime.card import CodeLine, Frame


def test_a_card_reads_as_text_and_its_code_is_left_as_it_is() -> None:
    card = FailureCard(
        indicator="turnaround",
        kind="error",
        message="object 'days_open' not found",
        reproduce="Rscript r_scripts/dev.R turnaround",
        file="turnaround.R",
        line=12,
        code=(CodeLine(12, r'x <- gsub("\\[", "**", days_open)', True),),
        stack=(Frame("turnaround(lab_results)", "turnaround.R", 12),),
        inputs={"lab_results": InputTable(Path("x"), "validated.lab_results", "7", 1204)},
    )
    text = plain(card.markdown())
    assert text.startswith("turnaround: R error in turnaround.R line 12\n")
    assert r'>   12 | x <- gsub("\\[", "**", days_open)' in text
    assert "| lab_results | validated.lab_results | snapshot 7 | 1,204 rows |" in text
    assert "Rscript r_scripts/dev.R turnaround" in text
    assert "```" not in text
    assert "---" not in text
    assert "\\_" not in text


def test_what_an_error_quotes_is_left_out() -> None:
    assert (
        without_quotes("Could not parse 'Jansen' or \"1950-01-01\" at line 3")
        == "Could not parse '...' or '...' at line 3"
    )


def test_a_title_is_one_line_that_fits() -> None:
    assert one_line("a\n b") == "a b"
    assert len(one_line("x" * 500)) == 200


def test_only_the_last_state_of_a_thing_counts() -> None:
    failed = wrong(Alert("run_failure", "turnaround", "failed"))
    repaired = Finding("run_failure", "turnaround")
    assert latest([failed, repaired]) == [repaired]
    assert latest([repaired, failed]) == [failed]
