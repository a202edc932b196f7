#!/usr/bin/env bash
# The Dagster UI, and beside it the drug graph's explorer (a browser follows no link to a file). Only that folder is served.
set -euo pipefail
umask 077 # what is made below is for this user alone
# a second daemon on the same state would start everything twice
for port in 3000 3001; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "Port $port of this machine is taken: does make ui run already? Stop what listens there (ss -ltnp), then start again" >&2
    exit 1
  fi
done
mkdir -p "$DAGSTER_STORAGE" "$DATA_HOME/products/drug_graph" "$DATA_HOME/served"
ln -sfn "$DATA_HOME/products/drug_graph" "$DATA_HOME/served/drug_graph"
# it ends with the UI, whichever way that ends
setpriv --pdeathsig TERM .venv/bin/python -m http.server 3001 --bind 127.0.0.1 --directory "$DATA_HOME/served" >/dev/null 2>&1 &
# the workspace file names the module; both at once would be two code locations
exec env -u DAGSTER_MODULE_NAME .venv/bin/dagster dev -h 127.0.0.1 -p 3000 -w workspace.yaml
