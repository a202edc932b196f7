"""The questions asked of the literature, each from the mentions table alone to an answer table.

The mentions may come from the warehouse or, with `graph.mentions_of`, from the published graph: same answers.
A drug is a code here, as it is a node in the graph.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

import pyarrow as pa

from platform_assets.literature.names import spelling
from platform_assets.literature.tables import CLINICAL_TRIAL, MENTIONS, PUBMED, Tabular, database, table

UNITS = ("year", "quarter", "month", "week")
"""Periods that drugs can be followed over; weeks are ISO weeks, told by their Monday."""

BATCH_ROWS = 100_000

TOP_JOURNALS = pa.schema([("rank", pa.int64()), ("journal", pa.string()), ("drugs", pa.int64())])
RELATED_DRUGS = pa.schema(
    [
        ("drug_code", pa.string()),
        ("drug_name", pa.string()),
        ("related_code", pa.string()),
        ("related_name", pa.string()),
        ("journals", pa.list_(pa.string())),
    ]
)
RELATED_DRUG_PAIRS = RELATED_DRUGS.set(4, pa.field("journals", pa.int64()))
DRUGS_OVER_TIME = pa.schema(
    [
        ("drug_code", pa.string()),
        ("drug_name", pa.string()),
        ("kind", pa.string()),
        ("period", pa.date32()),
        ("mentions", pa.int64()),
    ]
)


def top_journals(mentions: Tabular, ranks: int = 1) -> pa.Table:
    """The journals that mention the most different drugs, in publications and trials together: TOP_JOURNALS.

    All journals with the same number share a rank; `ranks` says how many ranks to give (1: only the first).
    """
    return _ask(
        mentions,
        f"""
        from (
            select dense_rank() over (order by count(distinct drug_code) desc) as rank, journal,
                count(distinct drug_code) as drugs
            from mentions where journal <> '' group by journal
        )
        where rank <= {int(ranks)} order by rank, journal
        """,
        TOP_JOURNALS,
    )


def related_drugs(mentions: Tabular, drug_codes: list[str]) -> pa.Table:
    """The other drugs that the same journals mention in PubMed but not in clinical trials: RELATED_DRUGS.

    A related drug is one that a journal mentions in a PubMed publication and in none of that journal's
    clinical trials, where the journal mentions the drug itself in a PubMed publication. `journals` are those
    for which that is so.
    """
    drugs = pa.table({"code": pa.array(drug_codes, pa.string())})
    query = _related("list(d.journal order by d.journal) as journals", "and d.drug_code in (from drugs)")
    return _ask(mentions, query, RELATED_DRUGS, drugs=drugs)


def related_drug_pairs(mentions: Tabular) -> Iterator[pa.RecordBatch]:
    """`related_drugs` of every drug, with the number of journals instead of their names: RELATED_DRUG_PAIRS.

    The answer grows with the square of the drugs per journal, so it is streamed.
    """
    with database(mentions=table(mentions, MENTIONS)) as db:
        for batch in db.sql(_related("count(*) as journals")).to_arrow_reader(BATCH_ROWS):
            yield batch.cast(RELATED_DRUG_PAIRS)


def _related(journals: str, condition: str = "") -> str:
    return f"""
        with told as (
            select distinct journal, drug_code, drug_name, kind from mentions where journal <> ''
        ),
        only_pubmed as (
            from told p where kind = '{PUBMED}' and not exists (
                from told t
                where t.kind = '{CLINICAL_TRIAL}' and t.journal = p.journal and t.drug_code = p.drug_code
            )
        )
        select d.drug_code, d.drug_name, r.drug_code as related_code, r.drug_name as related_name, {journals}
        from told d join only_pubmed r on r.journal = d.journal and r.drug_code <> d.drug_code
        where d.kind = '{PUBMED}' {condition}
        group by all order by 1, 3
    """


def drugs_over_time(mentions: Tabular, unit: str = "month") -> pa.Table:
    """How many publications of each kind mention each drug per period: DRUGS_OVER_TIME, in order of time.

    `unit` is one of UNITS and `period` its first day; mentions without a date have no period and stand last.
    A period without a mention has no row.
    """
    if unit not in UNITS:
        raise ValueError(f"unit must be one of {', '.join(UNITS)}")
    return _ask(
        mentions,
        f"""
        select drug_code, drug_name, kind, date_trunc('{unit}', date)::date as period, count(*) as mentions
        from mentions group by all order by period nulls last, drug_code, kind
        """,
        DRUGS_OVER_TIME,
    )


def find_drug(names: dict[str, str], wanted: str) -> list[str]:
    """Codes of the drug that a person means by its code or its name, among `names` (name by code).

    Case and accents do not matter. A name may belong to several codes. Raises LookupError with near names if
    there is none.
    """
    asked = spelling(wanted)
    found = sorted(code for code, name in names.items() if asked in (spelling(code), spelling(name)))
    if not found:
        near = difflib.get_close_matches(asked, {spelling(name) for name in names.values()}, n=3)
        hint = f"; near it are: {', '.join(sorted(near))}" if near else ""
        raise LookupError(f"no drug has the code or name {wanted!r}{hint}")
    return found


def _ask(mentions: Tabular, query: str, answer: pa.Schema, **others: pa.Table) -> pa.Table:
    with database(mentions=table(mentions, MENTIONS), **others) as db:
        return db.sql(query).to_arrow_table().cast(answer)
