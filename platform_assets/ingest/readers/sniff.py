"""What a file is by its first bytes, where that is not what its name says: so that a refusal speaks of the file in hand."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

HEAD = 4096
_TEXT = ("csv", "tsv", "json", "json5")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_EXCEL = (
    "an Excel workbook of the old kind (.xls), whatever its name says: open it in Excel and save it as .xlsx, or give it the ending .xls and "
    "say 'kind: xls' in the contract's format"
)
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_BINARY = (
    (b"%PDF-", "a PDF document, from which no table can be read: ask for the table itself, as CSV or Excel"),
    (b"PAR1", "a Parquet file: give it the ending .parquet"),
    (b"\x1f\x8b", "packed by gzip: add .gz to its name"),
    (b"BZh", "packed by bzip2, which is not unpacked here: pack it by gzip or zip"),
    (b"\xfd7zXZ\x00", "packed by xz, which is not unpacked here: pack it by gzip or zip"),
    (b"\x28\xb5\x2f\xfd", "packed by zstd, which is not unpacked here: pack it by gzip or zip"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive, which is not unpacked here: pack it as zip"),
    (b"Rar!\x1a\x07", "a RAR archive, which is not unpacked here: pack it as zip"),
    (b"SQLite format 3\x00", "an SQLite database: export the table as CSV"),
    (b"{\\rtf", "a text document (RTF): ask for the table itself, as CSV or Excel"),
    (b"\x89PNG", "an image: ask for the table itself, as CSV or Excel"),
    (b"\xff\xd8\xff", "an image: ask for the table itself, as CSV or Excel"),
    (b"GIF8", "an image: ask for the table itself, as CSV or Excel"),
    (b"$FL", "an SPSS file: give it the ending .sav, and the dataset the format spss"),
    (b"HEADER RECORD*******", "a SAS transport file: give it the ending .xpt, and the dataset the format xpt"),
    (b"<stata_dta>", "a Stata file: give it the ending .dta, and the dataset the format stata"),
)
_OWN = {"parquet": b"PAR1", "spss": b"$FL", "xpt": b"HEADER RECORD", "sas": b"HEADER RECORD", "stata": b"<stata_dta>"}
"""How files begin that are what their kind says, though they cannot be read. What was edited of SAS is a transport file (`formats.sas`)."""
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|table)[\s>]", re.IGNORECASE)


def disguise(path: Path, kind: str, encoding: str = "utf-8") -> str:
    """What is wrong with the file at `path` where it is plainly no file of `kind`; '' where it may be one. A sentence for people."""
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head or head.startswith(_OWN.get(kind, b"\0no kind")):
        return ""
    said = _what(path, head, kind, encoding)
    return f"the file is {said}" if said else ""


def _what(path: Path, head: bytes, kind: str, encoding: str) -> str:
    if head.startswith(_OLE):
        said = _old_office(path)
        return "" if kind == "xls" and said == _OLD_EXCEL else said
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zip(path, kind)
    for magic, words in _BINARY:
        if head.startswith(magic):
            return words
    if head[257:262] == b"ustar":
        return "a tar archive: give it the ending .tar (or .tgz, where it is packed by gzip)"
    text = _as_text(head, kind, encoding)
    if isinstance(text, str):
        return text
    start = text.removeprefix(b"\xef\xbb\xbf").lstrip()[:1000]
    if start.startswith(b"<") and _HTML.search(start):
        return (
            "a web page (HTML) under another name, perhaps of a log-in or an error: fetch it again, "
            "or open it in Excel and save it as .xlsx or CSV"
        )
    if start.startswith(b"<?xml") or start.startswith(b"<Workbook"):
        if b"urn:schemas-microsoft-com:office:spreadsheet" in head:
            return "an XML spreadsheet of 2003: open it in Excel and save it as .xlsx or CSV"
        return "XML, which is not read here: ask for CSV, Excel or JSON"
    if kind == "xlsx":
        return "text, no Excel workbook, whatever its name says: give it the ending .csv, or save it in Excel as .xlsx"
    if kind == "parquet":
        return "no Parquet, whatever its name says: give it the ending of what it is"
    return ""


def _as_text(head: bytes, kind: str, encoding: str) -> bytes | str:
    """The beginning of the file as far as it may be text of the declared encoding, or what is wrong with it."""
    for mark, name in ((b"\xff\xfe\x00\x00", "UTF-32"), (b"\x00\x00\xfe\xff", "UTF-32")):
        if head.startswith(mark):
            return f"{name} text: save it as UTF-8"
    wide = head.startswith((b"\xff\xfe", b"\xfe\xff"))
    if not wide and b"\0" in head[:200]:
        even, odd = head[0:200:2].count(0), head[1:200:2].count(0)
        wide = max(even, odd) > 20 * min(even, odd) + len(head[:200]) // 8
    if kind not in _TEXT:
        return head.replace(b"\0", b"") if wide else head
    if not wide:
        return head
    if encoding != "utf-8":  # where bytes contradict another encoding, they are believed (see `delimited.encodings`)
        return head.replace(b"\0", b"").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    said = (
        "save it as UTF-8" if kind == "json" else "save it as UTF-8, or say 'encoding: utf-16' in the contract's format"
    )
    return f"UTF-16 text: {said}"


def _old_office(path: Path) -> str:
    """Files of OLE: what Office wrote before 2007, and what it writes with a password."""
    with path.open("rb") as file:
        file.seek(0)
        whole = file.read(8 << 20)
        file.seek(max(0, path.stat().st_size - (1 << 20)))
        whole += file.read()
    if _ENCRYPTED in whole:
        return "protected by a password: open it in Excel, take the password off (File, Info, Protect Workbook), and save it anew"
    if "WordDocument".encode("utf-16-le") in whole:
        return "a Word document: ask for the table itself, as CSV or Excel"
    return _OLD_EXCEL


def _zip(path: Path, kind: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            mime = archive.read("mimetype")[:80] if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, KeyError, RuntimeError, NotImplementedError, ValueError):
        return "" if kind == "xlsx" else "a zip archive that is cut off"
    folded = {name.casefold() for name in names}
    if "xl/workbook.bin" in folded:
        return "a binary Excel workbook (.xlsb): open it in Excel and save it as .xlsx"
    if mime.startswith(b"application/vnd.oasis.opendocument"):
        if kind == "ods" and b"spreadsheet" in mime:
            return ""
        return "an OpenDocument file: save it as .xlsx or CSV, or say 'kind: ods' in the contract's format for a spreadsheet (.ods)"
    if any(name.startswith("word/") for name in folded):
        return "a Word document: ask for the table itself, as CSV or Excel"
    is_book = any(name.startswith("xl/") or name == "[content_types].xml" for name in folded)
    if kind in ("xlsx", "xls", "ods"):  # what was edited is of xlsx
        return "" if is_book else "a zip archive, no Excel workbook: give it the ending .zip"
    return (
        "an Excel workbook: give it the ending .xlsx, and say 'kind: xlsx' in the contract's format"
        if is_book
        else "a zip archive: give it the ending .zip"
    )
