"""The certificate of an erasure: what was searched, found and removed, by whom, when, on what ground. No identifier in clear."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from platform_assets.erasure import decisions, holder
from platform_assets.erasure.holder import Holder
from platform_assets.erasure.requests import Request
from platform_assets.erasure.search.scan import Found
from resources.object_store import ObjectStore
from resources.text.terminal import field

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "erasure/certificates"
NOBODY = "Nobody found: check the number. Nothing in the platform is of whom the request names."


def words() -> dict[str, str]:
    """Place -> what is counted there, as the kinds of holders say."""
    return holder.words()


def log_meanings() -> dict[str, str]:
    """Columns of the deletion log."""
    return {
        "request": "Number of the request, and of its certificate",
        "finished_at": "When (UTC)",
        "datasets": "Datasets that the request names",
        "subjects": "Persons or records erased",
        **{column: f"Removed: {text}" for column, (text, _) in _columns().items()},
        "products": "Removed: files of products (they are made again)",
        "requested_by": "Who asked",
        "approved_by": "Who agreed",
        "ground": "On what ground",
    }


def counted_columns() -> list[str]:
    """Those of the deletion log that are counts."""
    return ["subjects", *_columns(), "products"]


def _columns() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Column of the deletion log -> (what it counts, its places). A holder has a column for each place, or one for all."""
    columns: dict[str, tuple[str, tuple[str, ...]]] = {}
    for kind in holder.kinds():
        if kind.column:
            columns[kind.column] = (f"rows, {kind.name}", tuple(kind.places))
        else:
            columns |= {place: (text, (place,)) for place, text in kind.places.items()}
    return columns


@dataclass(frozen=True)
class Outcome:
    """What the holders have reported at the end."""

    found: Found
    kept: int
    """Other records of the same keys, which the request does not cover."""
    explained: Mapping[str, str]
    """Where the same text stands and needs no decision, by key: in words."""
    holders: Sequence[Holder]
    unclaimed: Sequence[str]
    """Files and tables that no holder answers for."""


def found_nothing(counts: Mapping[str, int]) -> bool:
    """Whether a search (`Eraser.preview`, or what a certificate counts) has found nothing anywhere."""
    return not any(counts.values())


def issue(
    store: ObjectStore, request: Request, subjects: list[str], outcome: Outcome, finished_at: str, head: str
) -> dict[str, Any]:
    """Write the certificate as JSON and as text; the same request always gets the same names."""
    found = outcome.found
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
        "found_and_removed": request.progress.get("found", {}),
        "products_removed": request.progress.get("products", []),
        "searched": {"files": found.files, "bytes": found.bytes, "unreadable": len(found.unreadable)},
        "earlier_versions_removed": request.progress.get("earlier_versions", 0),
        "holders": [{"holder": h.name, "places": dict(h.places), "remark": h.remark} for h in outcome.holders],
        "recipients_to_tell": [asdict(r) for h in outcome.holders for r in h.to_tell(request.id)],
        "decisions": [decisions.for_certificate(key, d) for key, d in sorted(request.decisions.items())],
        "explained": [{"spot": key, "words": text} for key, text in sorted(outcome.explained.items())],
        "nobodys": len(outcome.unclaimed),
        "other_records_of_the_same_key": outcome.kept,
        "kept_elsewhere_for_a_while": [note for h in outcome.holders for note in h.keeps()],
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
            **{
                column: sum(c["found_and_removed"].get(place, 0) for place in places)
                for column, (_, places) in _columns().items()
            },
            "products": len(c["products_removed"]),
            "requested_by": c["requested_by"],
            "approved_by": c["approved_by"],
            "ground": c["ground"],
        }
        for c in reversed(read_all(store))
    ]
    return pd.DataFrame(lines, columns=list(log_meanings()))


def as_text(document: dict[str, Any]) -> str:
    """The certificate for people."""
    holders = document.get("holders", [])
    called = words() | {place: text for h in holders for place, text in h["places"].items()}
    removed = [f"  {count:>8,}  {called.get(place, place)}" for place, count in document["found_and_removed"].items()]
    asked = document.get("asked_for", len(document["subjects"]))  # certificates of earlier releases do not say it
    nothing = found_nothing(document["found_and_removed"]) and not document["products_removed"]
    known = "known here by keyed marks only"
    decided = document.get("decisions", [])
    lines = [
        f"Certificate of erasure {document['request']}",
        "",
        f"Asked for by  {field(document['requested_by'])}, {document['requested_at']}",
        f"Approved by   {field(document['approved_by'])}, {document['approved_at']}",
        f"Finished      {document['finished_at']}",
        f"Ground        {field(document['ground'])}",
        f"Datasets      {', '.join(document['datasets'])}",
        f"Asked for     {asked} subject(s) or record(s), {known}; found nothing: was the number right?"
        if nothing
        else f"Erased        {asked} subject(s) or record(s), {known}",
        "",
        "Found and removed",
        *(removed or ["         nothing was there"]),
        "",
        f"Afterwards every byte was searched: {document['searched']['files']:,} files, "
        f"{document['searched']['bytes']:,} bytes, packed files unpacked. "
        + ("Nothing was left but what is told here." if decided or document.get("explained") else "Nothing was left."),
    ]
    lines += [h["remark"] for h in holders if h["remark"]]
    if decided:
        lines += ["", "Where the number stood beside the person's own rows, and what was decided"]
        for d in decided:
            reason = f": {field(d['reason'])}" if d["reason"] else ""
            lines.append(f"  {field(d['words'])}: {decisions.DONE[d['way']]}{reason} ({field(d['by'])}, {d['at']})")
        lines.append("")
    told = document.get("recipients_to_tell", [])
    if told:
        lines += ["", "Who has to be told, since files went to them (GDPR, article 19)"]
        for r in told:
            how = "holds them" if r["certain"] else "may hold them: it cannot be told any more"
            lines.append(
                f"  {field(r['who'])}: {field(r['file'])}, sent {r['sent_at'][:16]}, {how} (SHA-256 {r['sha256']})"
            )
        lines.append("")
    explained = [field(e["words"]) for e in document.get("explained", [])]
    if explained:
        lines += [
            "",
            "Where the same characters stand and mean someone or something else",
            *(f"  {e}" for e in explained),
            "",
        ]
    if document.get("nobodys"):
        lines.append(
            f"{document['nobodys']} file(s) or table(s) belong to no part of the platform; they were searched too."
        )
    if document.get("earlier_versions_removed"):
        lines.append(
            f"{document['earlier_versions_removed']:,} earlier version(s) of files and tables were removed for good."
        )
    unreadable = document["searched"]["unreadable"]
    unreadable = unreadable if isinstance(unreadable, int) else len(unreadable)
    if unreadable:
        lines.append(f"{unreadable} packed file(s) could not be unpacked: searched as they are.")
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
