"""Upload: several files, what ingest will say about each, mended here where that can be done, then sent."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import streamlit as st

from console.frame import Frame, done, plain, table, told
from console.grid import WRONG
from console.language import counted, number, retold, sentence, tr
from platform_assets.access.roles import Permission
from platform_assets.contracts.model import Contract
from platform_assets.ingest.aliases import ENDED, known_as
from platform_assets.quarantine import before_sending, uploads
from platform_assets.quarantine.before_sending import CannotMend, Mends
from platform_assets.quarantine.mending.bench import Offer, Values, offers_for
from platform_assets.quarantine.reasons import about_cell, added_up, column_of, drift_in_words, in_words
from platform_assets.quarantine.uploads import WrongRow

OFFERED = 8
"""Buttons for one column."""


@dataclass
class _Begun:
    """What was done to one chosen file so far."""

    offers: list[tuple[str, str, Mapping[str, str | None]]] = field(default_factory=list)
    """In words, the column, its texts and what they become: in the order in which they were clicked."""
    cells: dict[int, dict[str, str | None]] = field(default_factory=dict)
    """Row of the file -> column -> text: cells that were typed into grids before the one that is shown."""
    grid: int = 0
    """Number of the grid that is shown: another one is drawn where a click has changed its rows."""
    shown: list[WrongRow] = field(default_factory=list, repr=False)
    """Its rows, as they were when the first of its cells was changed."""

    def typed(self, place: str) -> dict[int, dict[str, str | None]]:
        """All cells that were typed, with those of the grid that is shown."""
        found = {line: dict(cells) for line, cells in self.cells.items()}
        for line, cells in self.edits(place).items():
            if int(line) < len(self.shown):
                found.setdefault(self.shown[int(line)].row, {}).update(cells)
        return found

    def edits(self, place: str) -> Mapping[int, Mapping[str, str | None]]:
        """What was changed in the grid that is shown: number of its row -> column -> text."""
        state = st.session_state.get(f"cells-{place}-{self.grid}") or {}
        return dict(state.get("edited_rows", {}))

    def next_grid(self, place: str) -> None:
        """Keep what was typed, and draw a new grid."""
        self.cells = self.typed(place)
        self.grid += 1

    def values(self) -> dict[str, dict[str, str | None]]:
        """All of them by column. What a later click makes of an earlier one's text is what the text becomes."""
        found: dict[str, dict[str, str | None]] = {}
        for _, column, mapping in self.offers:
            mine = found.setdefault(column, {})
            mine.update({old: mapping.get(new, new) if new is not None else None for old, new in mine.items()})
            mine.update({old: new for old, new in mapping.items() if old not in mine})
        return found


def show(frame: Frame) -> None:
    """Choose files; each is checked against its contract before anything is sent."""
    frame.user.require(Permission.UPLOAD)
    st.title(tr("Upload"))
    st.write(tr("Files of at most {limit_mb} MB. Nothing is sent before you say so.", limit_mb=uploads.limit_mb()))
    chosen = st.file_uploader(tr("Files"), accept_multiple_files=True, key=f"files{st.session_state.get('sent', 0)}")
    ready = []
    for place, file in enumerate(chosen or []):
        with st.container(border=True), told(frame):
            name = uploads.safe_name(file.name)
            st.text(name)
            names = sorted(frame.office.contracts)
            data = file.getvalue()
            fits = uploads.fitting(frame.office, name, data[:65_536])
            index = names.index(fits[0]) if fits else None
            dataset = st.selectbox(tr("Dataset"), names, index=index, key=f"dataset{place}{name}")
            if dataset is None:
                st.warning(tr("No dataset fits this file by its name and columns: choose one, or do not send it."))
                continue
            data, mends = _mended(frame, dataset, name, data, f"{file.file_id}-{dataset}")
            found = uploads.check(frame.office, dataset, name, data, frame.user)
            _report(found)
            _rows(frame, dataset, found, f"{file.file_id}-{dataset}", name, data)
            if not found.rejected:
                ready.append((dataset, name, data, mends))
    if ready and st.button(tr("Send {files}", files=counted(len(ready), "file")), type="primary"):
        sent = 0
        with told(frame):
            for dataset, name, data, mends in ready:
                uploads.send(frame.office, dataset, name, data, frame.user, mends.told() if mends else None)
                sent += 1
            st.session_state["sent"] = st.session_state.get("sent", 0) + 1
            done(tr("{files} sent: loaded within a minute, or at once on the page Runs.", files=counted(sent, "file")))
        if sent:
            st.info(tr("{files} sent before that.", files=counted(sent, "file was", "files were")))


def _mended(frame: Frame, dataset: str, name: str, data: bytes, place: str) -> tuple[bytes, Mends]:
    """The file with what was chosen for it: names of columns, and values."""
    contract = known_as(frame.office.contracts[dataset], frame.office.store)
    begun: _Begun = st.session_state.setdefault(f"mends-{place}", _Begun())
    found = before_sending.headings(contract, name, data)
    names: dict[str, str] = {}
    if found and found.lacking and found.unknown:
        st.warning(
            plain(
                tr(
                    "The file has no column {lacking}. If one of its other columns is meant, say which: the file is sent with the right name.",
                    lacking=", ".join(found.lacking),
                )
            )
        )
        for lacking in found.lacking:
            meant = st.selectbox(
                plain(tr("Column for {lacking}", lacking=lacking)),
                found.unknown,
                index=None,
                placeholder=tr("none of them"),
                key=f"name-{place}-{lacking}",
            )
            if meant:
                names[meant] = lacking
    _propose(frame, dataset, names, place)
    mends = Mends(names, begun.values(), begun.typed(place))
    if mends.cells and st.button(
        plain(tr("Undo: {cells} typed", cells=counted(sum(map(len, mends.cells.values())), "cell"))),
        key=f"untype-{place}",
        icon=":material/undo:",
    ):
        begun.next_grid(place)
        begun.cells = {}
        st.rerun()
    if begun.offers and st.button(
        plain(tr("Undo: {words}", words=retold(begun.offers[-1][0]))), key=f"undo-{place}", icon=":material/undo:"
    ):
        begun.next_grid(place)
        begun.offers.pop()
        st.rerun()
    try:
        return before_sending.mended(contract, name, data, mends), mends
    except CannotMend as error:
        st.error(plain(sentence(str(error))))
        return data, Mends()


def _propose(frame: Frame, dataset: str, names: Mapping[str, str], place: str) -> None:
    """Buttons that propose the chosen names for every file to come."""
    if not names or not frame.user.may(Permission.FIX):
        return
    contract, aliases = frame.office.contracts[dataset], frame.office.aliases(dataset, frame.user)
    columns = {(spec.header or (c,))[0]: c for c, spec in contract.file_columns.items()}
    known = {a.name for a in aliases.all() if a.state != ENDED}
    for name, meant in names.items():
        if name in known:
            st.write(
                plain(
                    tr(
                        "{name} is proposed for every file to come. A second person agrees on the page Datasets.",
                        name=name,
                    )
                )
            )
            continue
        words = tr("Propose {name} as {column} for every file to come", name=name, column=meant)
        if st.button(plain(words), key=f"propose-{place}-{name}"):
            with told(frame):
                aliases.propose(columns[meant], name)
                st.rerun()


def _rows(frame: Frame, dataset: str, check: uploads.Check, place: str, name: str, data: bytes) -> None:
    """The wrong rows with what is wrong beside each cell, and what would mend them."""
    begun: _Begun = st.session_state[f"mends-{place}"]
    if not check.wrong_rows and not begun.edits(place):
        return
    contract = known_as(frame.office.contracts[dataset], frame.office.store)
    judged = uploads.judging(frame.office, dataset, frame.user)
    for column, values in check.values.items():
        wrong = Values(_counts(values), _counts(values))
        for offer in [o for o in offers_for(contract, column, wrong, judged) if not o.empties][:OFFERED]:
            label = f"{column}: {retold(offer.words)} ({counted(offer.rows, 'row')})"
            st.button(plain(label), key=f"offer-{place}-{column}-{offer.words}", on_click=_take, args=(place, offer))
    if not begun.edits(place):
        begun.shown = check.wrong_rows
    rows = counted(check.wrong, "row")
    if check.wrong > len(begun.shown):
        first = counted(len(begun.shown), "row")
        st.write(
            plain(
                tr(
                    "The first {first} of {rows} with a fault; what is wrong stands beside each cell.",
                    first=first,
                    rows=rows,
                )
            )
        )
    else:
        st.write(plain(tr("{rows} with a fault; what is wrong stands beside each cell.", rows=rows)))
    fixed = before_sending.headings(contract, name, data) is None
    if fixed:
        st.write(tr("A file of this kind is mended after it was loaded, on the page Quarantine."))
    else:
        st.write(tr("To mend a cell press Enter in it, and type when it is open: the row is judged at once."))
    _grid(contract, check, begun, place, fixed=fixed)


def _grid(contract: Contract, check: uploads.Check, begun: _Begun, place: str, *, fixed: bool) -> None:
    """The wrong rows, with what is wrong now beside each cell; typed into unless they are `fixed`."""
    import pandas as pd

    texts = list(contract.file_columns)
    began = {column_of(r, texts) for row in begun.shown for r in row.reasons}
    wrong = [c for c in texts if c in began]
    now = {row.row: row.reasons for row in check.wrong_rows}
    table_ = pd.DataFrame(
        [
            {
                "row": r.row,
                **{c: r.texts[c] or "" for c in texts},
                **{f"wrong {c}": retold(about_cell(now.get(r.row, []), c)) for c in wrong},
                "wrong ": "; ".join(
                    retold(in_words(why)) for why in now.get(r.row, []) if column_of(why, texts) not in wrong
                ),
            }
            for r in begun.shown
        ]
    )
    marks: list[str] = [c for c in table_.columns if c.startswith("wrong ")]
    beside = [name for c in wrong for name in (c, f"wrong {c}")]
    other = ["wrong "] if (table_["wrong "] != "").any() else []
    st.data_editor(
        table_.style.map(lambda cell: WRONG if cell else "", subset=list[Hashable](marks)),
        hide_index=True,
        num_rows="fixed",
        disabled=True if fixed else ["row", *marks],
        height=300 if len(table_) > 8 else "content",
        key=f"cells-{place}-{begun.grid}",
        column_order=["row", *beside, *other, *(c for c in texts if c not in wrong)],
        column_config={
            "row": st.column_config.NumberColumn(tr("row"), width="small"),
            "wrong ": st.column_config.TextColumn(tr("what else is wrong"), width="medium"),
            **{c: st.column_config.TextColumn(c) for c in texts},
            **{f"wrong {c}": st.column_config.TextColumn(tr("why {column}", column=c), width="medium") for c in wrong},
        },
    )


def _counts(values: Mapping[str, int]) -> Mapping[str | None, int]:
    return dict(values.items())


def _take(place: str, offer: Offer) -> None:
    begun: _Begun = st.session_state[f"mends-{place}"]
    begun.next_grid(place)
    begun.offers.append((offer.words, offer.column, {old: new for old, new in offer.values.items() if old is not None}))


def _report(check: uploads.Check) -> None:
    if check.rejected:
        st.error(
            plain(
                tr("Nothing in this file can be judged, so it is not sent: {rejected}", rejected=retold(check.rejected))
            )
        )
        return
    if check.missing_keys:
        st.error(
            plain(
                tr(
                    "{missing_keys} is not set (as far as the console sees): the load will stop and the file will wait in landing. Ask who runs the platform for the key; docs/stewardship.md, 'Keys', says where it comes from.",
                    missing_keys=", ".join(check.missing_keys),
                )
            )
        )
    if check.before:
        st.warning(plain(tr("This content was delivered before, {before}.", before=retold(check.before))))
    if check.nothing_changes:
        return
    if check.older:
        st.warning(
            plain(
                tr(
                    "It will not become the table, and none of its rows will be in it: this is {older}.",
                    older=retold(check.older),
                )
            )
        )
    if check.held:
        rows = (
            " " + tr("All its {rows} will wait in quarantine.", rows=counted(check.rows, "row")) if check.rows else ""
        )
        st.warning(
            plain(
                tr(
                    "The whole delivery will be held: {held}. Nothing of it is published until someone looks.{rows}",
                    held=retold(check.held),
                    rows=rows,
                )
            )
        )
    elif check.wrong:
        st.warning(
            tr("{wrong} of {rows} will go to quarantine.", wrong=number(check.wrong), rows=counted(check.rows, "row"))
        )
    if check.reasons:
        table(
            [{"rows": n, "reason": retold(in_words(r))} for r, n in added_up(check.reasons).items()],
            hide_index=True,
            column_config={"reason": st.column_config.TextColumn(width="large")},
        )
    if check.right:
        rows = number(check.rows)
        st.success(plain(tr("The 1 row is right.") if check.rows == 1 else tr("All {rows} rows are right.", rows=rows)))
    elif not check.rows and not check.held:
        st.info(tr("The file has no rows."))
    for words in drift_in_words(check.drift):
        st.info(plain(retold(words)))
