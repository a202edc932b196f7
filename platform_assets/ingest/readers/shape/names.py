"""What of a name that a file brings may be told: the header of a file without one is its first row, and keys of JSON can be anything.

A name is told where all of its words are known: the contract's own, and words that headers are made of. Of any other only its place and
its form are, as of a value. It stands in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from platform_assets.contracts.model import Contract

MOST = 40
"""Names that are told of one kind."""
LONGEST_PART = 60
_LONG_NUMBER = re.compile(r"\d{5,}")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_BETWEEN = re.compile(r"[\s_.,:;/()\[\]%#&+*?<>=-]*")
_GENERAL = """
a absolute account activity actual added address admission admissions admitted age agent all allergy amount and annual appointment area
arrival at attendance attendances author authors average bed beds begin bsn birth blood body born branch by calendar case cases category
cause causes cell centre center change changed check city class client clinic clinical closed code codes column comment comments complete
confirmed contact content cost count country county created currency current cumulative daily data dataset date dates day days death
deaths deceased default delivery department description detail diagnosis diagnoses died discharge discharges discharged disease dose
doctor document domain drug duration email empty encounter end ended entry error estimate ethnicity event events extra family female field file first
flag followup for format from full gender general given group gp grade gross health height high home hospital hospitals hour hours house id
identifier identity in incidence index indicator info inhabitants input insurance insured invoice is item items key kind label lab laboratory
language last latitude length letter level line link list load local location long longitude low lower male manager map marker max mean measure
median medication member message method more min minimum maximum minutes missing mobile mode modified month mrn months municipality name names nationality
net new next nhs no note notes number numbers object observation occupation of office old on only open operation operations order organisation
organization origin other outcome outpatient output page parent part partner patient patients payment percent percentage percentile period person
phone physician place population position postal postcode pregnant prescription present previous price primary procedure product provider province
provisional quality quantity quarter race rank rate rates ratio raw reason received record records reference referral region registration
released remark remarks report reported requested required residence response result results risk role room row rows rule sample sample samples
scheme score second section sector seen series service sex short since size smoker smoking source specialty specimen specialism standard start
started state status step street sub subject sum surname surgery symptoms system systolic diastolic table tag target telephone temp temperature
term test tested tests text time timestamp title to total totals town transaction treatment type unit units unknown unnamed until update
updated upper url uuid used user vaccine vaccination valid validated value values variable version viral visit visits volume waiting ward week weekly
weeks weight who width with year years yes zip zone
aantal achternaam adres afdeling arts begin behandeling bijzonderheden datum dag einde geboren geboorte geboortedatum gemeente geslacht gewicht
huisarts huisnummer instelling jaar klinisch land lengte leeftijd maand naam nummer omschrijving ontslag opmerking opmerkingen opname oud overleden
patiënt patient plaats postcode provincie reden regio soort specialisme status straat tijd totaal type uitslag van voornaam waarde ziekenhuis
alter anzahl arzt bemerkung betrag datei ende geburt geburtsdatum geschlecht gemeinde größe jahr kosten kreis kürzel land monat nachname
name nummer ort plz stadt straße summe tag vorname wert zeit
adresse âge annee année code commentaire date département description heure hôpital jour mois montant naissance nom nombre numéro pays
prénom région remarque résultat sexe somme total ville valeur
"""


@cache
def _general() -> frozenset[str]:
    return frozenset(_GENERAL.split())


def told_names(names: Sequence[tuple[int, str]], contract: Contract) -> list[str]:
    """(place, name) of columns or keys that a contract does not know, as they may be told; the first `MOST` of them."""
    known = _general() | _words_of(contract)
    told = [told_name(name, known) or f"column {place}, {form(name)}" for place, name in names[:MOST]]
    return told + ([f"and {len(names) - MOST:,} more"] if len(names) > MOST else [])


def told_name(name: str, known: Iterable[str] = frozenset()) -> str:
    """`name`, where it is made of known words, small numbers and years; '' where it may be a value."""
    words = _WORD.findall(_HUMP.sub(" ", name))
    known = frozenset(known) or _general()
    fits = all(
        len(word) <= 2 or bool(_YEAR.fullmatch(word)) if word.isdigit() else word.lower() in known for word in words
    )
    between = all(_BETWEEN.fullmatch(piece) for piece in _WORD.split(_HUMP.sub(" ", name)))
    return name if words and not words[0].isdigit() and fits and between else ""


def part_name(name: str) -> str:
    """The name of a part of a delivery (a sheet, a file in an archive): people must find it, so it is told as names of files are, but for
    long numbers, which may be a patient's."""
    return _LONG_NUMBER.sub("#", name)[:LONGEST_PART]


def form(name: str) -> str:
    """The form of a name that is not told."""
    if not name.strip():
        return "without a name"
    return "a name like " + "".join(
        "9"
        if c.isdigit()
        else "?"
        if not c.isascii() or not c.isprintable()
        else "A"
        if c.isupper()
        else "a"
        if c.isalpha()
        else c
        for c in name[:40]
    )


def _words_of(contract: Contract) -> frozenset[str]:
    """Words of a contract's names and descriptions."""
    texts = [contract.name, contract.description, *contract.ignore]
    for name, column in contract.columns.items():
        texts += [name, *column.header, column.description]
    return frozenset(
        word.lower() for text in texts for word in _WORD.findall(_HUMP.sub(" ", text)) if not word.isdigit()
    )
