"""`python -m platform_assets.sample`: write the sample data into DATA_HOME."""

import datetime as dt
import sys

from platform_assets.sample import holds_deliveries, write
from resources import private
from resources.environment import Settings
from resources.identity import SAMPLE_MANIFEST

home = Settings.from_environment().home
private.keep(home)
there = (home / "sample" / SAMPLE_MANIFEST).exists()
others = not there and holds_deliveries(home)
written = write(home, dt.date.today())
if others:
    said = (
        f"tables for R are in {home}/sample. Nothing was put into landing: {home} holds deliveries already, and sample data would be mixed "
        "with them. To try the platform on sample data, give it a home of its own: DATA_HOME=~/platform-try make run"
    )
elif there:
    said = f"sample data was written before; tables for R are in {home}/sample"
else:
    said = f"{len(written)} sample files written to {home}/landing, tables for R in {home}/sample"
sys.stdout.write(said + "\n")
