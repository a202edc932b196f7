"""Environments that several processes of tests want at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WANTED = """
import sys
from pathlib import Path
from tests import environments
environments.BUILD = Path(sys.argv[1])
programs = environments.environment("wanted", "iniconfig==2.0.0", then="open(__import__('os').environ['HOME'] + '/ran', 'a').write('x')")
import subprocess
subprocess.run([programs / "python", "-c", "import iniconfig"], check=True)
"""


def test_one_makes_it_and_the_others_wait_for_it(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    processes = [subprocess.Popen([sys.executable, "-c", WANTED, str(tmp_path)], cwd=root) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    (ran,) = tmp_path.glob("wanted-*/home/ran")
    assert ran.read_text() == "x"
