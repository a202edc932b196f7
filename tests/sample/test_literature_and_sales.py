"""The sample of literature and sales: the same day gives the same bytes, and the contracts take it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from platform_assets.contracts.files import read_contracts
from platform_assets.sample import generate, literature, sales
from platform_assets.sample.rows import Delivery, to_bytes
from tests.conftest import Bench

Make = Callable[..., Bench]
DAY = dt.date(2026, 3, 2)
LITERATURE = (literature.drugs, literature.pubmed, literature.clinical_trials)
SALES = (sales.transactions, sales.product_nomenclature)


def test_the_same_day_gives_the_same_bytes() -> None:
    first, second = ([(d.dataset, d.file, to_bytes(d)) for d in generate(DAY)] for _ in range(2))
    assert first == second


@pytest.mark.parametrize("generator", LITERATURE + SALES, ids=lambda generator: generator.__name__)
def test_every_sample_delivery_is_published_with_few_bad_rows(
    bench: Make, generator: Callable[[dt.date], list[Delivery]]
) -> None:
    deliveries = generator(DAY)
    dataset = bench(read_contracts()[deliveries[0].dataset])
    for delivery in deliveries:
        dataset.drop(delivery.file, to_bytes(delivery))
    entries = dataset.load().entries
    assert {e.status for e in entries} == {"published"}
    assert {e.file for e in entries} == {d.file for d in deliveries}
    rows_in, quarantined = sum(e.rows_in for e in entries), sum(e.quarantined for e in entries)
    assert rows_in == sum(len(d.rows) for d in deliveries)
    assert 0 <= quarantined / rows_in < 0.02
    dataset.assert_nothing_lost()


def test_the_sample_literature_holds_what_real_files_hold(bench: Make) -> None:
    pubmed = bench(read_contracts()["pubmed"])
    for delivery in literature.pubmed(DAY):
        pubmed.drop(delivery.file, to_bytes(delivery))
    entries = pubmed.load().entries
    assert {reason for e in entries for reason in e.reasons} == {"title: value is missing", "journal: value is missing"}
    assert sum(e.merged for e in entries) > 5
    assert pubmed.sql("SELECT count(*) FROM {raw} WHERE title LIKE '%\\xc3\\x28%'") != [(0,)]
    assert pubmed.sql("SELECT count(*) FROM {validated} WHERE title LIKE '%\\x%' OR journal LIKE '%\\x%'") == [(0,)]
