"""`python -m platform_assets.contracts draft FILE...`: a contract for real files; see `ingest.draft`."""

import sys

from platform_assets.ingest.draft.command import main

sys.exit(main())
