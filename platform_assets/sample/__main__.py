"""`python -m platform_assets.sample`: write the sample data into DATA_HOME."""

import datetime as dt
import sys

from platform_assets.sample import write
from resources import private
from resources.environment import Settings

home = Settings.from_environment().home
private.keep(home)
written = write(home, dt.date.today())
sys.stdout.write(
    f"{len(written)} sample files written to {home}/landing, tables for R in {home}/sample\n"
    if written
    else f"sample data is there: {home}/landing, tables for R in {home}/sample\n"
)
