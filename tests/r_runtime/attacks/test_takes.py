"""Scripts that attack the platform, with R as it is, through the front door: what they take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from resources.r_runtime import RRuntime
from tests.r_runtime.attacks.attacking import DONE, HEAD, LOCKED, PLOTS, PYTHON, Attack


@pytest.mark.parametrize(
    ("body", "limits", "message"),
    [
        (
            "for (i in 1:30) system('sleep 30 &'); Sys.sleep(9)",
            {"processes": 20},
            "it had more than 20 processes at once",
        ),
        (
            "for (i in 1:9) writeBin(raw(4e6), paste0('f', i)); Sys.sleep(9)",
            {"folder_mb": 20},
            "its folder held more than 20 MB",
        ),
        ("d <- 'out'; for (i in 1:80) { d <- file.path(d, 'd'); dir.create(d) }; Sys.sleep(9)", {}, "too deep"),
        (
            f"system2('{PYTHON}', c('-Ic', shQuote('import os, time; [os.fork() or os._exit(0) for _ in range(1500)]; time.sleep(20)')))",
            {},
            "it left more than 1,000 processes",
        ),
        ("system('yes'); Sys.sleep(9)", {}, "it printed more than 256 MB"),
        ("system('yes >&2'); Sys.sleep(9)", {}, "it printed more than 256 MB"),
    ],
)
def test_a_run_that_takes_too_much_is_ended(
    body: str, limits: dict[str, Any], message: str, attack: Attack, tmp_path: Path
) -> None:
    card = attack(f"{body}\n{DONE}", RRuntime(timeout_seconds=60, **limits)).failure()
    assert card.kind == "too_much"
    assert message in card.message
    assert card.seconds < 30
    (folder,) = (tmp_path / "runs").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["card.txt", "request.json"]


def test_looking_again_and_again_sees_what_a_full_search_sees() -> None:
    """Whoever started it, in whatever session; threads have children too."""
    program = """
import os, subprocess, sys, threading, time
sys.path.insert(0, sys.argv[1])
from resources.r_child import family
family.adopt_orphans()
subprocess.Popen(["sh", "-c", "(setsid sleep 20 &) ; sleep 20; true"])
threading.Thread(target=lambda: (subprocess.Popen(["sleep", "20"]), time.sleep(3))).start()
time.sleep(1)
seen, all_of_them = ({member.pid for member in look()} for look in (family.below, family.descendants))
assert seen == all_of_them and len(seen) == 4, (seen, all_of_them)
assert family.end_all({})
assert family.below() == []
"""
    subprocess.run([sys.executable, "-c", program, str(Path(__file__).parents[3])], check=True, timeout=60)


NAMELESS = {
    "removed": "f = open('u%d' % i, 'wb'); f.write(bytes(8 << 20)); f.flush(); os.unlink(f.name); held.append(f)",
    "never had one": "f = os.open('.', os.O_TMPFILE | os.O_RDWR, 0o600); os.write(f, bytes(8 << 20)); held.append(f)",
    "mapped": "f = open('u%d' % i, 'w+b'); f.write(bytes(8 << 20)); f.flush(); os.unlink(f.name); "
    "held.append(mmap.mmap(f.fileno(), 0)); f.close(); [os.close(n) for n in range(3, 99) if os.path.exists('/proc/self/fd/%d' % n)]",
}


@pytest.mark.parametrize("kind", NAMELESS)
def test_files_without_a_name_count_as_well(kind: str, attack: Attack) -> None:
    program = f"import mmap, os, time\nheld = []\nfor i in range(9): {NAMELESS[kind]}\ntime.sleep(20)"
    body = f"""writeLines({program!r}, "attack.py")\nsystem2("{PYTHON}", c("-I", "attack.py"))\n{DONE}"""
    card = attack(body, RRuntime(timeout_seconds=60, folder_mb=20)).failure()
    assert (card.kind, card.message[:29]) == ("too_much", "its folder held more than 20 ")
    assert card.seconds < 15


def test_the_memory_of_all_processes_is_limited_together(attack: Attack) -> None:
    program = """import os, time
for _ in range(6):
  if not os.fork():
    held = bytearray(300 << 20)
    held[::4096] = bytes([1]) * len(held[::4096])
    time.sleep(20); os._exit(0)
time.sleep(20)"""
    body = f"""writeLines({program!r}, "attack.py")\nsystem2("{PYTHON}", c("-I", "attack.py"))\n{DONE}"""
    card = attack(body, RRuntime(timeout_seconds=60, memory_limit_mb=1000)).failure()
    assert (card.kind, card.message) == ("too_much", "its processes together had more than 1000 MB of memory")
    # what is shared since a fork counts once
    shared = f"held <- runif(4e7); at_once <- parallel::mclapply(1:6, function(i) Sys.sleep(1) , mc.cores = 6)\n{DONE}"
    assert attack(shared, RRuntime(timeout_seconds=60, memory_limit_mb=1200)).rows()


FORGES = r"""
  writeLines("
    #include <string.h>
    #include <sys/stat.h>
    #include <unistd.h>
    void say(char **text) {
      struct stat found;
      for (int fd = 3; fd < 30; fd++) if (!fstat(fd, &found) && S_ISFIFO(found.st_mode) && write(fd, *text, strlen(*text)) > 0) _exit(0);
    }", "say.c")
  system2(file.path(R.home("bin"), "R"), c("CMD", "SHLIB", "say.c"), stdout = FALSE)
  dyn.load("say.so")
"""
SWELLS = {
    "rows": (100_000_000, "pa.nulls(1_000_000, pa.string())", "the table has more than 5,000,000 rows: "),
    "text": (
        100_000,
        "pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(['x' * 100_000])).cast(pa.string())",
        "the table holds more than 512 MB: ",
    ),
}


@pytest.mark.parametrize("kind", SWELLS)
def test_a_small_file_that_is_an_endless_table_is_not_taken(kind: str, attack: Attack) -> None:
    """Its rows would be read into the memory of the platform's own process."""
    rows, column, message = SWELLS[kind]
    program = f"""
import sys; sys.path += {[path for path in sys.path if path]!r}; sys.modules["numpy"] = None
import pyarrow as pa, pyarrow.parquet as pq
column = {column}
table = pa.table(dict(what=column, done=pa.nulls(len(column), pa.bool_())))
with pq.ParquetWriter("out/data.parquet", table.schema, compression="zstd") as writer:
  for _ in range({rows} // len(column)): writer.write_table(table)"""
    report = f'{{"report": {{"ok": true, "rows": {rows}}}}}\n'
    body = f"""{FORGES}
      writeLines({program!r}, "attack.py"); system2("{PYTHON}", c("-I", "attack.py"))
      if (file.size("out/data.parquet") < 3e6) message("a small file")
      .C("say", {json.dumps(report)})"""
    ran = attack(body)
    assert ran.said[-1] == "a small file"
    assert (ran.failure().kind, ran.failure().message[: len(message)]) == ("unsafe_output", message)


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_plot_of_many_megabytes_is_not_taken(suffix: str, attack: Attack) -> None:
    body = f"""
      list(data = {DONE}, first = function() plot(1),
           second = function() {{ plot(1); writeBin(raw(21e6), "out/first.{suffix}") }})"""
    card = attack(body, LOCKED, HEAD + PLOTS).failure()
    assert card.message.startswith(f"first.{suffix} is larger than ")


def test_no_file_grows_beyond_its_limit(attack: Attack) -> None:
    body = """
      large <- tryCatch({ f <- file("large", "wb"); writeBin(raw(30e6), f); close(f); file.size("large") > 20e6 },
                        error = function(e) FALSE, warning = function(w) FALSE)
      data.frame(what = "large", done = large)"""
    assert attack(body, RRuntime(file_mb=16)).rows() == [{"what": "large", "done": False}]
