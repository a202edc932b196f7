#!/usr/bin/env bash
# The Dagster UI, and beside it the drug graph's explorer (a browser follows no link to a file). Only that folder is served.
set -euo pipefail
mkdir -p "$DAGSTER_STORAGE" "$DATA_HOME/products/drug_graph" "$DATA_HOME/served"
ln -sfn "$DATA_HOME/products/drug_graph" "$DATA_HOME/served/drug_graph"
.venv/bin/python -m http.server 3001 --bind 127.0.0.1 --directory "$DATA_HOME/served" >/dev/null 2>&1 &
trap 'kill %1 2>/dev/null' EXIT
export PLATFORM_PRODUCTS_URL="${PLATFORM_PRODUCTS_URL:-http://127.0.0.1:3001}"
# the workspace file names the module; both at once would be two code locations
env -u DAGSTER_MODULE_NAME .venv/bin/dagster dev -h 127.0.0.1 -p 3000 -w workspace.yaml
