"""The certificate of an erasure: what was searched, found and removed, by whom, when, on what ground. No identifier in clear."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from platform_assets.erasure.requests import Request
from platform_assets.erasure.scan import Found
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "erasure/certificates"
WORDS = {
    "raw": "rows as delivered (raw)",
    "validated": "checked rows (validated)",
    "quarantine": "rejected rows (quarantine)",
    "staged_fixes": "fixes in preparation",
    "tables": "rows of computed tables",
    "archive": "rows in archived files",
    "landing": "rows in waiting files",
    "rejected": "rows or lines in rejected files",
    "products": "files of products",
    "bigquery_raw": "rows as delivered (raw), in BigQuery",
    "bigquery_validated": "checked rows (validated), in BigQuery",
    "bigquery_quarantine": "rejected rows (quarantine), in BigQuery",
    "bigquery_tables": "rows of computed tables, in BigQuery",
}
NOBODY = "Nobody found: check the number. Nothing in the platform is of whom the request names."
BIGQUERY = tuple(place for place in WORDS if place.startswith("bigquery_"))
PLACES = tuple(place for place in WORDS if place != "products" and place not in BIGQUERY)
LOG_MEANINGS = {
    "request": "Number of the request, and of its certificate",
    "finished_at": "When (UTC)",
    "datasets": "Datasets that the request names",
    "subjects": "Persons or records erased",
    **{place: f"Removed: {WORDS[place]}" for place in PLACES},
    "bigquery": "Removed: rows in BigQuery",
    "products": "Removed: files of products (they are made again)",
    "requested_by": "Who asked",
    "approved_by": "Who agreed",
    "ground": "On what ground",
}
"""Columns of the deletion log."""


@dataclass(frozen=True)
class Outcome:
    """What the last search found."""

    found: Found
    kept: int
    """Other records of the same keys, which the request does not cover."""
    elsewhere: list[str]
    """Files of other datasets in which the same text stands."""
    unreachable: list[str]
    """What is kept for a while where no erasure reaches, as sentences."""


def found_nothing(counts: Mapping[str, int]) -> bool:
    """Whether a search (`Eraser.preview`, or what a certificate counts) has found nothing anywhere."""
    return not any(counts.values())


def issue(
    store: ObjectStore, request: Request, subjects: list[str], outcome: Outcome, finished_at: str, head: str
) -> dict[str, Any]:
    """Write the certificate as JSON and as text; the same request always gets the same names."""
    found = outcome.found
    counts = request.progress.get("found", {})
    document = {
        "request": request.id,
        "ground": request.ground,
        "requested_by": request.requested_by,
        "requested_at": request.requested_at,
        "approved_by": request.approved_by,
        "approved_at": request.approved_at,
        "finished_at": finished_at,
        "datasets": request.datasets,
        "asked_for": len(request.targets),
        "subjects": subjects,
        "found_and_removed": counts,
        "products_removed": request.progress.get("products", []),
        "searched": {"files": found.files, "bytes": found.bytes, "unreadable": found.unreadable},
        "earlier_versions_removed": request.progress.get("earlier_versions", 0),
        "same_text_in_other_datasets": outcome.elsewhere,
        "other_records_of_the_same_key": outcome.kept,
        "kept_elsewhere_for_a_while": outcome.unreachable,
        "audit_head": head,
    }
    store.write(f"{FOLDER}/{request.id}.json", json.dumps(document, indent=2).encode())
    store.write(f"{FOLDER}/{request.id}.txt", as_text(document).encode())
    return document


def read_all(store: ObjectStore) -> list[dict[str, Any]]:
    """All certificates, oldest first."""
    found = []
    for stored in store.list(FOLDER):
        if stored.basename.endswith(".json"):
            with store.open(stored.name) as file:
                found.append(json.load(file))
    return sorted(found, key=lambda d: str(d["finished_at"]))


def deletion_log(store: ObjectStore) -> pd.DataFrame:
    """One line per certificate, newest first."""
    import pandas as pd

    lines = [
        {
            "request": c["request"],
            "finished_at": c["finished_at"],
            "datasets": ", ".join(c["datasets"]),
            "subjects": len(c["subjects"]),
            **{place: c["found_and_removed"].get(place, 0) for place in PLACES},
            "bigquery": sum(c["found_and_removed"].get(place, 0) for place in BIGQUERY),
            "products": len(c["products_removed"]),
            "requested_by": c["requested_by"],
            "approved_by": c["approved_by"],
            "ground": c["ground"],
        }
        for c in reversed(read_all(store))
    ]
    return pd.DataFrame(lines, columns=list(LOG_MEANINGS))


def as_text(document: dict[str, Any]) -> str:
    """The certificate for people."""
    removed = [f"  {count:>8,}  {WORDS.get(place, place)}" for place, count in document["found_and_removed"].items()]
    asked = document.get("asked_for", len(document["subjects"]))  # certificates of earlier releases do not say it
    nothing = found_nothing(document["found_and_removed"]) and not document["products_removed"]
    known = "known here by keyed marks only"
    lines = [
        f"Certificate of erasure {document['request']}",
        "",
        f"Asked for by  {document['requested_by']}, {document['requested_at']}",
        f"Approved by   {document['approved_by']}, {document['approved_at']}",
        f"Finished      {document['finished_at']}",
        f"Ground        {document['ground']}",
        f"Datasets      {', '.join(document['datasets'])}",
        f"Asked for     {asked} subject(s) or record(s), {known}; found nothing: was the number right?"
        if nothing
        else f"Erased        {asked} subject(s) or record(s), {known}",
        "",
        "Found and removed",
        *(removed or ["         nothing was there"]),
        "",
        f"Afterwards every byte was searched: {document['searched']['files']:,} files, "
        f"{document['searched']['bytes']:,} bytes, packed files unpacked. Nothing was left.",
    ]
    if BIGQUERY[0] in document["found_and_removed"]:
        lines.append(
            "BigQuery's bytes cannot be searched: its tables were held against the marks again, and no row was left."
        )
    if document.get("earlier_versions_removed"):
        lines.append(
            f"{document['earlier_versions_removed']:,} earlier version(s) of files and tables were removed for good."
        )
    if document["searched"]["unreadable"]:
        lines.append(
            f"{len(document['searched']['unreadable'])} packed file(s) could not be unpacked: searched as they are."
        )
    if document["same_text_in_other_datasets"]:
        lines.append(
            f"The same text stands in {len(document['same_text_in_other_datasets'])} file(s) of datasets that the request is not "
            "about and that do not know these people: it means something else there."
        )
    if document["other_records_of_the_same_key"]:
        lines.append(
            f"{document['other_records_of_the_same_key']} record(s) of the same key with another date are not part of the "
            "request and were kept; their key was not searched for."
        )
    lines += document.get("kept_elsewhere_for_a_while", [])
    lines += [
        "",
        "What leaves again through a later delivery, or comes back with a restored copy, is erased again by the marks kept.",
        "Copies that were sent to others before are theirs to erase.",
        f"Head of the audit log: {document['audit_head']}",
        "",
    ]
    return "\n".join(lines)
