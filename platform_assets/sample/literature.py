"""Sample literature: real drug names, invented titles in invented journals, and the errors that such files have."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Sequence

from platform_assets.sample.rows import Delivery

DRUGS = {  # topic -> its drugs, by ATC code
    "infection": {"J01AA07": "TETRACYCLINE", "J01CA04": "AMOXICILLIN", "J01MA02": "CIPROFLOXACIN", "J01XA01": "VANCOMYCIN", "J05AB01": "ACICLOVIR", "P01AB01": "METRONIDAZOLE"},
    "pain": {"N02BE01": "PARACETAMOL", "M01AE01": "IBUPROFEN", "N02AA01": "MORPHINE", "N02AB03": "FENTANYL", "M01AB05": "DICLOFENAC", "N01BB09": "ROPIVACAINE"},
    "heart": {"C07AB02": "METOPROLOL", "C09AA02": "ENALAPRIL", "C10AA05": "ATORVASTATIN", "B01AC06": "ACETYLSALICYLIC ACID", "B01AA03": "WARFARIN", "C01CA24": "EPINEPHRINE", "C01CA02": "ISOPRENALINE"},
    "allergy": {"R06AA02": "DIPHENHYDRAMINE", "R06AE07": "CETIRIZINE", "H02AB01": "BETAMETHASONE", "H02AB06": "PREDNISOLONE", "R03AC02": "SALBUTAMOL"},
    "diabetes": {"A10BA02": "METFORMIN", "A10AB01": "INSULIN (HUMAN)", "A10BJ06": "SEMAGLUTIDE", "H04AA01": "GLUCAGON", "A10BK01": "DAPAGLIFLOZIN"},
    "mind": {"N06AB03": "FLUOXETINE", "N05AN01": "LITHIUM", "N05BA01": "DIAZEPAM", "N06BA04": "METHYLPHENIDATE", "N05AH04": "QUETIAPINE"},
    "cancer": {"L01CD01": "PACLITAXEL", "L01XA01": "CISPLATIN", "L02BA01": "TAMOXIFEN", "L03AB05": "INTERFERON ALFA-2B", "L03AB04": "INTERFERON ALFA-2A"},
    "poison": {"V03AB16": "ETHANOL", "A03BA01": "ATROPINE", "V03AB15": "NALOXONE", "A07BA01": "MEDICINAL CHARCOAL"},
}  # fmt: skip
JOURNALS = {  # journal -> the topics that it prints
    "Acta Infectologica Borealis": ("infection",),
    "Journal of Ward Microbiology": ("infection", "cancer"),
    "Annals of Pain and Relief": ("pain",),
    "The Anaesthetist's Quarterly": ("pain", "poison"),
    "Lowland Journal of Cardiology": ("heart",),
    "Rhythm & Pressure": ("heart", "diabetes"),
    "Archives of Allergy and Airways": ("allergy",),
    "Journal of Emergency Practice": ("allergy", "poison", "pain", "heart"),
    "Glucose: a Journal of Metabolism": ("diabetes",),
    "Revue européenne du métabolisme": ("diabetes", "heart"),
    "Mind and Medicine": ("mind",),
    "Nordic Letters in Psychopharmacology": ("mind", "poison"),
    "Tumour Biology Reports": ("cancer",),
    "Oncology in Small Hospitals": ("cancer", "infection", "pain"),
    "Poison Centre Bulletin": ("poison",),
    "General Practice Notes": tuple(DRUGS),
    "Hôpitaux de l'Ouest": ("infection", "heart", "mind"),
    "The Pharmacist's Notebook": tuple(DRUGS),
}
_ABOUT = ("{0} in {p}: {s}", "{0} versus {1} in {p}: {s}", "Adverse events of {0} in {p}", "Long-term use of {0} and risk of {o}: {s}", "{0}-induced {o}: {s}", "Cost of {0} for {p}", "Does {0} prevent {o} in {p}?", "Combined {0} and {1} for {o}", "Plasma levels of {0} in {p}", "Time to {0} treatment and {o}", "Withdrawal of {0} after {o}: {s}")  # fmt: skip
_TRIALS = ("Phase {n} Study of {0} vs Placebo in {P}", "Comparison of {0} and {1} in {P}", "Feasibility of {0} for the Prevention of {O}", "Early {0} Versus Usual Care After {O}", "Open-label Extension of {0} in {P}")  # fmt: skip
_WITHOUT = ("Methanolic extracts of seven meadow plants", "Staffing of night wards and {o}: {s}", "What patients with {o} ask at the desk", "Walking and {o} in {p}", "A register of {o}: the first five years")  # fmt: skip
_PATIENTS = ("older adults", "children under five", "pregnant women", "patients after surgery", "smokers", "patients in primary care", "patients on dialysis", "rats", "nursing-home residents")  # fmt: skip
_OUTCOMES = ("delirium", "heart failure", "falls", "sepsis", "nausea", "readmission", "renal injury", "insomnia", "anaphylaxis", "hypoglycaemia", "neuropathy")  # fmt: skip
_STUDIES = ("a cohort study", "a case series", "a randomised trial", "a systematic review", "results of a register", "a nested case-control study")  # fmt: skip
_ESCAPE = "\\xc3\\x28"
PUBLICATIONS, TRIALS, DAYS = 3_000, 900, 3 * 365
_Row = tuple[str, str, dt.date, str]


def drugs(until: dt.date) -> list[Delivery]:
    """The list of names, with a second name of one code."""
    rows = sorted((code, name) for names in DRUGS.values() for code, name in names.items())
    rows.append(("N02BE01", "ACETAMINOPHEN"))
    columns = ("atccode", "drug")
    return [Delivery("drugs", f"drugs_{until.year}.csv", columns, rows, clean=Delivery("drugs", "", columns, rows))]


def pubmed(until: dt.date) -> list[Delivery]:
    """Three thousand publications: most in one CSV file, the last ones in JSON that someone edited by hand."""
    draw = random.Random(51)
    rows = [(str(30_000_000 + 7 * n), *_publication(draw, until, _ABOUT)) for n in range(PUBLICATIONS)]
    rows.sort(key=lambda row: row[2])
    columns, clean = (
        ("id", "title", "date", "journal"),
        Delivery("pubmed", "", ("id", "title", "date", "journal"), rows),
    )
    broken = [
        (i, t, f"{d:%d/%m/%Y}" if n % 3 else d.isoformat(), j) for n, (i, t, d, j) in enumerate(_errors(rows, draw))
    ]
    cut = len(broken) - 200
    return [
        Delivery("pubmed", f"pubmed_until_{until}.csv", columns, broken[:cut]),
        Delivery("pubmed", f"pubmed_recent_{until}.json", columns, broken[cut:], clean=clean),
    ]


def clinical_trials(until: dt.date) -> list[Delivery]:
    """Nine hundred trials, with dates as registers print them."""
    draw = random.Random(52)
    rows = [(f"NCT{4_000_000 + 13 * n:08d}", *_publication(draw, until, _TRIALS)) for n in range(TRIALS)]
    broken = [
        (i, t, f"{d.day} {d:%B %Y}" if n % 4 else f"{d:%d/%m/%Y}", j)
        for n, (i, t, d, j) in enumerate(_errors(rows, draw))
    ]
    clean = Delivery("clinical_trials", "", ("id", "title", "date", "journal"), rows)
    columns = ("id", "scientific_title", "date", "journal")
    return [Delivery("clinical_trials", f"trials_{until}.csv", columns, broken, clean=clean)]


def _publication(draw: random.Random, until: dt.date, forms: Sequence[str]) -> tuple[str, dt.date, str]:
    """(title, date, journal). A journal prints its topics; trials of some of its drugs never reach it."""
    journal = draw.choices(list(JOURNALS), [3 / (place + 2) for place in range(len(JOURNALS))])[0]
    names = [n for topic in JOURNALS[journal] for n in DRUGS[topic].values()]
    if forms is _TRIALS:
        names = names[: -len(names) // 3] or names
    first, second = draw.sample(names, 2)
    form = draw.choice(_WITHOUT) if draw.random() < 0.15 else draw.choice(forms)
    patients, outcome = draw.choice(_PATIENTS), draw.choice(_OUTCOMES)
    title = form.format(
        _as_written(first, draw), _as_written(second, draw),
        p=patients, P=patients.title(), o=outcome, O=outcome.title(), s=draw.choice(_STUDIES), n=draw.randint(1, 4),
    )  # fmt: skip
    return title[0].upper() + title[1:], until - dt.timedelta(days=int(DAYS * draw.random() ** 1.5) + 1), journal


def _as_written(name: str, draw: random.Random) -> str:
    return draw.choice(
        (name.lower(), name.capitalize(), name.capitalize() + "™" if draw.random() < 0.1 else name.lower())
    )


def _errors(rows: Sequence[_Row], draw: random.Random) -> list[_Row]:
    """Two per cent broken: no title, no journal, stray escapes; some without id, some of these beside the row that has it."""
    broken: list[_Row] = []
    for row in rows:
        number, title, date, journal = row
        luck = draw.random()
        if luck < 0.004:
            broken.append((number, draw.choice(("", "  ", _ESCAPE)), date, journal))
        elif luck < 0.008:
            broken.append((number, title, date, ""))
        elif luck < 0.014:
            broken.append((number, title + _ESCAPE, date, f" {journal}{_ESCAPE}"))
        elif luck < 0.018:
            broken.append(("", title, date, journal))
        elif luck < 0.024:
            broken += [row, ("", f"{title} ", date, journal)]
        else:
            broken.append(row)
    return broken
