"""What waits for a steward, dataset by dataset: counts only, over one connection."""

from __future__ import annotations

from dataclasses import dataclass

from platform_assets.ingest import ledger
from platform_assets.stewardship import quarantine_tables, uploads
from platform_assets.stewardship.access import Permission, User
from platform_assets.stewardship.office import Office


@dataclass(frozen=True)
class Waiting:
    """One dataset."""

    dataset: str
    files: int
    """In landing."""
    rows: int
    """Open in quarantine."""
    reason: str
    """The most frequent one, '' where nothing is open."""
    held: int
    """Deliveries of which nothing is published until someone looks."""


def waiting(office: Office, user: User) -> list[Waiting]:
    """All datasets, by name."""
    user.require(Permission.SEE_STATUS)
    found = []
    with office.warehouse.connect() as connection:
        with office.warehouse.write(connection):
            quarantine_tables.ensure(office.warehouse, connection)
        for name, contract in sorted(office.contracts.items()):
            desk, rows, reason = office.desk(name, user), 0, ""
            if office.warehouse.columns(connection, desk.table):
                opened = desk.open_sql()
                row = connection.execute(f"SELECT count(*) FROM ({opened})").fetchone()
                rows = int(row[0]) if row else 0
                top = connection.execute(
                    f"SELECT reason FROM (SELECT unnest(_reasons) AS reason FROM ({opened})) "
                    "GROUP BY reason ORDER BY count(*) DESC, reason LIMIT 1"
                ).fetchone()
                reason = str(top[0]) if top else ""
            files = len(uploads.waiting(office, contract))
            held = len(ledger.read(connection, name, status="held"))
            found.append(Waiting(name, files, rows, reason, held))
    return found
