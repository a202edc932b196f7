#!/usr/bin/env bash
# The Dagster UI, and beside it the drug graph's explorer (a browser follows no link to a file). Only that folder is served.
set -euo pipefail
mkdir -p "$DAGSTER_STORAGE" "$DATA_HOME/products/drug_graph" "$DATA_HOME/served"
ln -sfn "$DATA_HOME/products/drug_graph" "$DATA_HOME/served/drug_graph"
# it ends with the UI, whichever way that ends
setpriv --pdeathsig TERM .venv/bin/python -m http.server 3001 --bind 127.0.0.1 --directory "$DATA_HOME/served" >/dev/null 2>&1 &
# the workspace file names the module; both at once would be two code locations
exec env -u DAGSTER_MODULE_NAME .venv/bin/dagster dev -h 127.0.0.1 -p 3000 -w workspace.yaml
