"""Which names are found in which titles, and how the table of mentions is kept up to date."""

from __future__ import annotations

import itertools
import re
import tracemalloc

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_assets.literature import mentions as module
from platform_assets.literature.mentions import DrugMatcher, find_mentions
from tests.literature.build import drug_list, mentions_in, publication, publications


def found(title: str, *names: str) -> set[str]:
    """The names of the list that the title mentions; each name is its own code."""
    table = mentions_in(drug_list(*((name, name) for name in names)), publications(publication(title)))
    return set(table.column("drug_code").to_pylist())


@pytest.mark.parametrize(
    "title",
    [
        "ETHANOL",
        "Ethanol intoxication",
        "acute ethanol withdrawal",
        "withdrawal from ethanol.",
        "(ethanol)",
        "Diphenhydramine or ethanol-induced sleep",
        "non-ethanol controls",
        "ethanol's effects",
        "water/ethanol mixtures",
        "ethanol\twithdrawal",
    ],
)
def test_a_name_is_found_as_a_whole_word_in_any_case(title: str) -> None:
    assert found(title, "EThanol") == {"EThanol"}


@pytest.mark.parametrize("title", ["METHANOL poisoning", "ethanolamine", "2ethanol", "ethanol2", "aethanol", "", " "])
def test_a_name_inside_another_word_is_no_mention(title: str) -> None:
    assert found(title, "ETHANOL") == set()


def test_a_title_that_is_missing_mentions_nothing() -> None:
    assert mentions_in(drug_list(("A", "ethanol")), publications(publication(None))).num_rows == 0


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Injection de bétaméthasone", "BETAMETHASONE"),  # French capitals drop their accents
        ("Injection de be\u0301tame\u0301thasone", "Bétaméthasone"),  # accent as a character of its own
        ("QUZYTTIR™ (cetirizine)", "quzyttir"),
        ("Quzyttir®-treated patients", "QUZYTTIR"),
        ("a trial of quzyttir", "QUZYTTIR™"),
        ("ｅｔｈａｎｏｌ", "ethanol"),  # full-width letters
        ("ﬁngolimod", "fingolimod"),  # the ligature ﬁ
        ("co‑trimoxazole", "co-trimoxazole"),  # non-breaking hyphen
        ("St John’s wort", "st john's wort"),
        ("insulin \n glargine", "insulin  glargine"),
        ("insulin\u00a0glargine", "insulin glargine"),  # non-breaking space
        ("etha\u00adnol", "ethanol"),  # soft hyphen
        ("vitamin B₁₂ deficiency", "vitamin B12"),
        ("´ethanol´", "ethanol"),  # accents misused as quotes
        ("ЭТАНОЛ в крови", "этанол"),
        ("Sodium iodide (131I) therapy", "sodium iodide (131I)"),
        ("STRAßE", "strasse"),
    ],
)
def test_spelling_variants_of_one_name_are_found(title: str, name: str) -> None:
    assert found(title, name) == {name}


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("éethanol", "ethanol"),  # é is a letter
        ("ethanole\u0301", "ethanol"),
        ("βethanol", "ethanol"),
        ("этанолы", "этанол"),
        ("йод", "иод"),  # in Cyrillic the mark makes another letter
        ("कि", "क"),  # a vowel sign belongs to its letter's word
        ("insulin-glargine", "insulin glargine"),  # a hyphen is not a space
        ("insulin, glargine", "insulin glargine"),
    ],
)
def test_what_a_reader_takes_for_another_word_is_no_mention(title: str, name: str) -> None:
    assert found(title, name) == set()


def test_of_nested_names_the_longest_is_mentioned() -> None:
    names = ("interferon", "interferon alfa", "interferon alfa-2b", "alfa")
    assert found("Interferon alfa-2b in hepatitis", *names) == {"interferon alfa-2b"}
    assert found("Interferon alfa-2c in hepatitis", *names) == {"interferon alfa"}
    assert found("Interferon alfa-2b or interferon", *names) == {"interferon alfa-2b", "interferon"}


def test_a_longer_name_that_is_no_whole_word_does_not_hide_the_shorter() -> None:
    assert found("ethanol extracts", "ethanol", "ethanol extract") == {"ethanol"}


def test_of_names_that_overlap_the_longest_and_then_the_first_is_mentioned() -> None:
    assert found("sodium chloride potassium", "sodium chloride", "chloride potassium") == {"chloride potassium"}
    assert found("aaa bbb ccc", "aaa bbb", "bbb ccc") == {"aaa bbb"}


def test_a_drug_named_twice_in_a_title_is_one_mention() -> None:
    table = mentions_in(drug_list(("A", "ethanol")), publications(publication("Ethanol and ethanol")))
    assert table.num_rows == 1


def test_a_name_of_several_codes_mentions_each_and_a_code_of_several_names_is_one() -> None:
    drugs = drug_list(("D08", "ethanol"), ("V03", "Ethanol"), ("V03", "alcohol"))
    table = mentions_in(drugs, publications(publication("Ethanol is an alcohol")))
    assert table.select(["drug_code", "drug_name"]).to_pylist() == [
        {"drug_code": "D08", "drug_name": "ethanol"},
        {"drug_code": "V03", "drug_name": "Ethanol"},
    ]


def test_a_name_without_a_letter_or_digit_is_reported_and_never_found() -> None:
    drugs = drug_list(("A", "-"), ("B", "ethanol"))
    assert DrugMatcher(drugs).unusable == ["A"]
    assert mentions_in(drugs, publications(publication("a - b"))).num_rows == 0


def test_an_empty_drug_list_finds_nothing() -> None:
    assert mentions_in(drug_list(), publications(publication("ethanol"))).num_rows == 0


def test_a_mention_carries_its_publication() -> None:
    row = publication("Ethanol", id="NCT1", kind="clinical_trial", journal="Addiction", on="2020-05-25")
    assert mentions_in(drug_list(("V03AB", "ETHANOL")), publications(row)).to_pylist() == [
        {
            "drug_code": "V03AB",
            "drug_name": "ETHANOL",
            "kind": "clinical_trial",
            "publication_id": "NCT1",
            "title": "Ethanol",
            "journal": "Addiction",
            "date": row["date"],
        }
    ]


def test_pandas_frames_and_other_column_orders_are_read() -> None:
    frame = pd.DataFrame([publication("Ethanol")])[["title", "date", "id", "journal", "kind"]].assign(extra=1)
    matcher = DrugMatcher(pd.DataFrame({"drug": ["ETHANOL"], "atccode": ["V03"]}))
    assert [batch.num_rows for batch in find_mentions(matcher, frame)] == [1]


def test_a_table_with_the_wrong_columns_is_refused_by_name_without_showing_values() -> None:
    matcher = DrugMatcher(drug_list(("A", "ethanol")))
    with pytest.raises(ValueError, match="lacks the column\\(s\\) kind, date; it needs kind, id"):
        list(find_mentions(matcher, pa.table({"id": ["1"], "title": ["x"], "journal": ["y"]})))
    wrong = publications(publication("x")).set_column(4, "date", pa.array(["secret"]))
    with pytest.raises(ValueError, match="column date must be date32") as caught:
        list(find_mentions(matcher, wrong))
    assert "secret" not in str(caught.value)


WORDS = st.sampled_from(["a", "ab", "b", "c", "ba", "abc"])
SEPARATORS = st.sampled_from([" ", "-", ", ", "", "/"])


@given(
    names=st.lists(st.lists(WORDS, min_size=1, max_size=3).map(" ".join), min_size=1, max_size=6, unique=True),
    titles=st.lists(st.lists(st.tuples(WORDS, SEPARATORS), max_size=8), min_size=1, max_size=4),
)
def test_the_one_pass_agrees_with_looking_for_one_name_after_the_other(
    names: list[str], titles: list[list[tuple[str, str]]]
) -> None:
    """The slow and obvious way: for each title try every name by regular expression, the longest first."""
    texts = ["".join(itertools.chain.from_iterable(title)).strip() for title in titles]
    table = mentions_in(
        drug_list(*((name, name) for name in names)),
        publications(*(publication(text, id=str(row)) for row, text in enumerate(texts))),
    )
    got = set(zip(table.column("publication_id").to_pylist(), table.column("drug_code").to_pylist(), strict=True))

    expected = set()
    for row, text in enumerate(texts):
        hits = [
            (match.start(), match.start() + len(name), name)
            for name in names
            for match in re.finditer(rf"(?=(?<!\w){re.escape(name)}(?!\w))", text)
        ]
        taken: list[tuple[int, int]] = []
        for start, end, name in sorted(hits, key=lambda hit: (hit[0] - hit[1], hit[0])):
            if all(end <= other_start or other_end <= start for other_start, other_end in taken):
                taken.append((start, end))
                expected.add((str(row), name))
    assert got == expected


def test_titles_of_different_blocks_do_not_touch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHARACTERS_AT_A_TIME", 5)
    rows = [publication(title, id=str(n)) for n, title in enumerate(["insulin", "glargine", "insulin glargine", "x"])]
    table = mentions_in(drug_list(("A", "insulin glargine"), ("B", "insulin")), publications(*rows))
    assert list(
        zip(table.column("publication_id").to_pylist(), table.column("drug_code").to_pylist(), strict=True)
    ) == [
        ("0", "B"),
        ("2", "A"),
    ]


def test_memory_does_not_grow_with_the_number_of_batches() -> None:
    matcher = DrugMatcher(drug_list(("A", "ethanol")))
    batch = publications(*(publication(f"No drug at all in title {n}", id=str(n)) for n in range(1000)))
    list(find_mentions(matcher, batch))  # the tables of characters are made once

    def peak(times: int) -> int:
        tracemalloc.start()
        for _ in find_mentions(matcher, (batch for _ in range(times))):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(40) < 1.5 * peak(2)


def test_the_fingerprint_follows_the_list_and_not_its_order() -> None:
    one = DrugMatcher(drug_list(("A", "ethanol"), ("B", "water"))).fingerprint
    assert DrugMatcher(drug_list(("B", "water"), ("A", "ethanol"), ("A", "ethanol"))).fingerprint == one
    assert DrugMatcher(drug_list(("A", "ethanol"), ("C", "water"))).fingerprint != one
    assert DrugMatcher(drug_list(("A", "ethanol"), ("B", "waters"))).fingerprint != one
