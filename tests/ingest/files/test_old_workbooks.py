"""Workbooks of the old Excel and of LibreOffice: their values are told as those of xlsx are."""

from __future__ import annotations

import base64
import datetime as dt
import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from platform_assets.erasure.search.scan import search_file
from tests.conftest import Bench, lab_contract

Make = Callable[..., Bench]
XLS = zlib.decompress(
    base64.b85decode(
        "c-rk)O-NKx6#nje^Y72hm<Ae%2>qEZ#7!HUG|iP}wx}eS#@>qtrx}@<qFR(?vkZb(MFfT|YGJjpq5=aKL4i?=APBUejjN!bg*u&k=FT|U1P+v-"
        "yl=SY-h0kH=bm@&x%b_9@234TqmOH5u>yObV=?W9BabJjxU(G}NS;p1X0~=wNn2P~aJy(B9d<k~d+U^IDA#)y8XnnR5e2?bIffzh#G+>18ls(j"
        "2np#!tFTe-X}C?L9M$Ys1=ABuH!*$4V_z`c%baUWTWRc!=*M)Rr(w6s<0D!<%gTugJYk(r%xOjyUduebbX{b|+R+vdha&4tP-`p27-&hm%%~Zc"
        "eJ}380~{qZb$2&)bj+ZVmU|38({;d)?7p6?v-oSv7a;zx<$UK~_%2$+mHZo;4H!oHxRA-5f)^)kQsP9PnK%<kCQ>NFgd>w2`(lQfm`4~TG@>MP"
        "peI77hazS$Y*0ICCXzuTlr(94oYg63&W0(2f{|FrpoHr0Z0~DpYSw|?1BZzA$L4a}7V7tOc9HI>uwj@{%E@ycISHRKzGbIO8SlMPq6WDv+kW1G"
        "K6=Rc``_Pp5A+6t%o*l4OXmHvRX!}zxGXhDxtt}o9Bp8YT}-dA)h*nvVOmKMpn6+xm1^uC;W1ZPx{c;(VSET|&uj0Xc53e6)7sS6z)ot9cg<d?"
        "9RC;?MLmVjAbt58L8E9Cw{A*23uJ4dPO8sLtN%E)T$)e$o>nheFBarJCHR?UdNMj9*V9z2GCiGoy0Rq-*b;0@M(3jDVP7lIFr_J(v}Mo9q^)n0"
        "8Cx3LUb6L4J&PX?yz&ITGbLjut!Qk;p?uH__@J|%Q_Z8Z4|kOhI%~UfGU>w`c?Z!dFd-+T^Lz<wkxyDqzFzZ56wD`gUY3Z0S>nmY9fjg<!GZ+~"
        "7A#oU2oUPFqpSO~UEQXf>buSYl|}0_$%aKAV)RSWU&>BIsgC1(QTekOc9FFuR;iQyUMO*xW{+bK1MJ6O(fLcaVUhnlt5)>=yDe1g{ENl-`Jd<i"
        "4TLfz;{"
    )
)
"""Written by xlwt: a sheet "Results" of three rows, and a hidden one, "Codes"."""
_NAMES = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in (("office", "office"), ("table", "table"), ("text", "text"))
)


def cell(value: object) -> str:
    if isinstance(value, dt.date):
        return f'<table:table-cell office:value-type="date" office:date-value="{value}"><text:p>shown</text:p></table:table-cell>'
    if isinstance(value, int | float):
        return f'<table:table-cell office:value-type="float" office:value="{value}"><text:p>{value}</text:p></table:table-cell>'
    return f'<table:table-cell office:value-type="string"><text:p>{value or ""}</text:p></table:table-cell>'


def ods(*rows: tuple[object, ...]) -> bytes:
    table = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        archive.writestr(
            "content.xml",
            f'<office:document-content {_NAMES}><office:body><office:spreadsheet><table:table table:name="Results">{table}'
            "</table:table></office:spreadsheet></office:body></office:document-content>",
        )
    return buffer.getvalue()


ODS = ods(
    ("sample_id", "test_date", "result", "viral_load"),
    ("ZEBRA-1", dt.date(2024, 1, 31), "POS", 12345.0),
    (1002, dt.date(2024, 2, 29), "Zoë", None),
    ("ZEBRA-3", dt.date(2024, 3, 1), "NEG", 0.5),
)


@pytest.mark.parametrize(("kind", "data"), [("xls", XLS), ("ods", ODS)])
def test_values_are_told_and_what_is_cut_off_is_refused(bench: Make, tmp_path: Path, kind: str, data: bytes) -> None:
    columns = lab_contract().model_dump(mode="json", by_alias=True, exclude_defaults=True)["columns"]
    columns |= {"result": {"type": "string"}, "viral_load": {"type": "float", "required": False}}
    lab = bench(lab_contract(format={"kind": kind}, columns=columns))
    (entry,) = lab.send(f"week.{kind}", data).entries
    assert (entry.status, entry.rows_in, entry.valid) == ("published", 3, 3)
    assert lab.table("sample_id", "test_date", "result", "viral_load") == [
        ("1002", dt.date(2024, 2, 29), "Zoë", None),
        ("ZEBRA-1", dt.date(2024, 1, 31), "POS", 12345.0),
        ("ZEBRA-3", dt.date(2024, 3, 1), "NEG", 0.5),
    ]
    assert ("sheet 'Codes' (hidden)" in entry.not_taken) == (kind == "xls")
    lab.assert_nothing_lost()
    for size in (600, len(data) // 2):
        (entry,) = lab.send(f"cut{size}.{kind}", data[:size]).entries
        assert entry.status == "rejected", size
    (tmp_path / "it").write_bytes(data)
    assert search_file(tmp_path / "it", ["ZEBRA-1", "ZEBRA-3", "ZEBRA-2"]) == {"ZEBRA-1", "ZEBRA-3"}
