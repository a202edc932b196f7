"""An engine's messages are shown by a list of words: no value comes through, whatever the engine quotes and how."""

from __future__ import annotations

import duckdb
import pytest

from resources.text.shown import HIDDEN, names_in, of_engine

CANARIES = ["Jansen", "O'Brien", "111-37-2222", "123456782", "1980-02-31", "jan@example.org", "Zoë", "Van der Berg"]
"""Values of the column `who`."""
QUERIES = [
    "SELECT who::INTEGER FROM t",
    "SELECT CAST(who AS DATE) FROM t",
    "SELECT strptime(who, '%Y-%m-%d') FROM t",
    "SELECT unheard_of FROM (PIVOT t ON who USING count(*))",
    "SELECT t.unheard_of FROM (PIVOT t ON who USING count(*)) AS t",
    "SELECT p.\"Jansen\" + 'a' FROM (PIVOT t ON who USING count(*)) AS p",
    "SELECT error(who) FROM t",
    "SELECT error('patient ' || who || ' is odd') FROM t",
    "SELECT json_extract(who, '$') FROM t",
    "SELECT struct_extract(struct_pack(a := who), who) FROM t",
    "SELECT * FROM t UNION SELECT unnest([1, 2])",
    "SELECT regexp_matches('a', who || '(') FROM t",
    "SELECT unnest(map([who], [1])).b FROM t",
    "SELECT (who || '99999999999999999999')::DECIMAL(4, 2) FROM t",
    "SELECT sum(x.number) FROM (SELECT 9000000000000000000 AS number, * FROM t) x GROUP BY who::BIT",
]


@pytest.mark.parametrize("query", QUERIES)
def test_no_value_comes_through_an_engines_message(query: str) -> None:
    told = []
    for canary in CANARIES:
        with duckdb.connect() as connection:
            connection.execute("CREATE TABLE t AS SELECT $1 AS who, 1 AS number", [canary])
            try:
                connection.execute(query).fetchall()
            except duckdb.Error as error:
                text = of_engine(error, query + " t who number")
                told.append(text)
                assert canary in query or canary not in text
                for word in canary.replace("-", " ").split():
                    assert len(word) < 4 or word in query or word not in text
    assert told or query.startswith("SELECT unnest(map") or "GROUP BY" in query


def test_what_an_analyst_needs_stays() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (who VARCHAR, number BIGINT)")
        for query, said in {
            "SELECT nubmer FROM t": 'Binder Error: Referenced column "nubmer" not found in FROM clause! Candidate bindings: "number"',
            "SELECT who, count(*) FROM t": 'column "who" must appear in the GROUP BY clause',
            "SELECT number FRM t WHERE": "Parser Error: syntax error at or near",
            "SELECT lenght(who) FROM t": "Catalog Error: Scalar Function with name lenght does not exist!",
        }.items():
            with pytest.raises(duckdb.Error) as caught:
                connection.execute(query)
            assert said in of_engine(caught.value, query + " t who number")


def test_names_that_a_query_does_not_say_are_counted() -> None:
    assert names_in(["state", "Jansen", "111"], {"state"}) == "state, and 2 that the query does not name"
    assert names_in(["state"], {"state"}) == "state"
    assert HIDDEN not in of_engine("Conversion Error: could not convert string to INT64")
