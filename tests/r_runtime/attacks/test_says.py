"""Scripts that attack the platform, with R as it is, through the front door: what they say."""

from __future__ import annotations

import os
import time

import pytest

from tests.r_runtime.attacks.attacking import DONE, OPEN, Attack

# by compiled code: R itself finds no way to a pipe that is open already
TO_THE_CHANNEL = r"""
  writeLines("
    #include <string.h>
    #include <sys/stat.h>
    #include <unistd.h>
    void say(char **text, int *times) {
      struct stat found;
      for (int fd = 3; fd < 30; fd++) if (!fstat(fd, &found) && S_ISFIFO(found.st_mode))
        for (int i = 0; i < *times; i++) if (write(fd, *text, strlen(*text)) < 0) return;
    }", "say.c")
  system2(file.path(R.home("bin"), "R"), c("CMD", "SHLIB", "say.c"), stdout = FALSE)
  dyn.load("say.so")
  say <- function(text, times = 1) .C("say", text, as.integer(times))
"""


@pytest.mark.parametrize(
    "hostile",
    [
        r'say("not-json\n")',
        r'say("{\"report\": {\"ok\": true}}\n")',
        r'say("{\"event\": {\"level\": \"sandbox\", \"text\": \"Landlock 99\", \"file\": null, \"line\": null}}\n")',
        r'say("{\"event\": 1}\n")',
        r'say(paste0(strrep("[", 1e5), "\n"))',
        r'say(strrep("x", 1e6), 400)',
        r'say("{\"report\": {\"ok\": true, \"rows\": 1e999}}\n")',
        r'say("{\"report\": {\"ok\": true, \"rows\": 1}}\n"); say("{\"report\": {\"ok\": true, \"rows\": 2}}\n")',
    ],
)
def test_words_of_its_own_on_the_platforms_channel_end_a_run(hostile: str, attack: Attack) -> None:
    began = time.process_time()
    card = attack(f"{TO_THE_CHANNEL}{hostile}\nSys.sleep(20)\n{DONE}").failure()
    assert card.kind == "channel"
    assert card.message.startswith("what came through it: ")
    assert "the script wrote to the platform's channel" in card.headline
    assert "Landlock 99" not in card.text()
    assert time.process_time() - began < 5
    assert card.seconds < 20


def test_what_a_script_says_reaches_no_terminal_and_no_page_as_more_than_text(attack: Attack) -> None:
    body = r"""
      message("\u001b[2J\u001b]0;owned\u0007 \u202etxt \r\u009b31m [click](https://attacker.example) <b>")
      warning("see https://attacker.example or www.attacker.example, \u001b[31m")
      stop("\u001b[2J![x](https://attacker.example/b.png)")"""
    ran = attack(f"# {chr(27)}[2J in the script itself\n{body}")
    assert not {c for c in ran.everything if (ord(c) < 32 and c not in "\n\t") or ord(c) in (0x7F, 0x9B, 0x202E)}
    rows = [line for line in ran.failure().markdown().splitlines() if line.startswith("|")]
    assert any("attacker" in row for row in rows)
    assert not any("://attacker" in row or " www." in row for row in rows)


def test_a_condition_of_the_scripts_own_is_a_failure_like_any_other(attack: Attack) -> None:
    """Its fields may be called as those of the harness."""
    body = 'stop(structure(class = c("own", "error", "condition"), list(message = "no", call = NULL, line = "x", file = 1, kind = 2)))'
    card = attack(body).failure()
    assert (card.kind, card.message, card.line) == ("error", "no", 5)


def test_r_itself_cannot_reach_what_the_kernel_tells_of_processes(attack: Attack) -> None:
    places = [
        "self/fd",
        "self/net/tcp",
        "self/environ",
        "self/mountinfo",
        f"{os.getpid()}/environ",
        f"{os.getpid()}/mem",
        "1/cmdline",
    ]
    listed = ", ".join(f'"/proc/{place}"' for place in places)
    body = f"""
      open <- function(path) length(list.files(path)) > 0 ||
        !inherits(try(suppressWarnings(readBin(file(path, "rb"), raw(), 9)), silent = TRUE), "try-error")
      what <- c({listed})
      data.frame(what = what, done = vapply(what, open, NA))"""
    assert [row["what"] for row in attack(body).rows() if row["done"]] == []
    assert all(row["done"] for row in attack(body.replace(', "1/cmdline"', ""), OPEN).rows()[:4])
