#!/usr/bin/env bash
# What deploy/image/test.sh runs in the image: every role starts and answers its health check, and the weekly job of the sample data runs.
set -euo pipefail
cd /opt/platform

say() { echo "ok: $*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
# wait SECONDS COMMAND...: until the command succeeds
wait_for() { local left=$1; shift; until "$@" >/dev/null 2>&1; do left=$((left - 1)); [ "$left" -gt 0 ] || fail "$* did not succeed"; sleep 1; done; }
answers() { python3 -c 'import sys, urllib.request as u; sys.exit(u.urlopen(sys.argv[1], timeout=60).status != 200)' "$1"; }

[ "$(id -u):$(id -g)" = 10001:10001 ] || fail "user $(id -u)"
for folder in / /opt/platform "$DAGSTER_HOME"; do ! touch "$folder/x" 2>/dev/null || fail "$folder is writable"; done
! python3 -c 'import socket; socket.create_connection(("192.0.2.1", 443), 2)' 2>/dev/null || fail "there is a network"
say "user 10001, read-only root, no network"

for part in platform_assets resources r_scripts/indicators r_scripts/lib r_scripts/dev.R console/app.py dashboard/app.py platform_assets/sample/__main__.py workspace.yaml; do
  [ -e "/opt/platform/$part" ] || fail "$part is not in the image"
done
! ls -d /opt/platform/tests /opt/platform/.git /opt/platform/benchmarks /opt/platform/r_scripts/tests 2>/dev/null || fail "what is only for development is in the image"
python3 -c 'import psycopg2, google.cloud.storage, google.cloud.bigquery, dagster_k8s, streamlit, duckdb_extension_postgres_scanner'
say "console, scripts and sample generator are there; the cloud's libraries load"

python3 -m platform_assets.sample >/dev/null
dagster job execute -m platform_assets.definitions -j weekly >/tmp/weekly.log 2>&1 || { tail -20 /tmp/weekly.log >&2; fail "the weekly job"; }
python3 -m platform_assets.summary | tail -30 >/tmp/summary.txt
grep -q turnaround /tmp/summary.txt || fail "the weekly job left no indicator"
grep -q 'seccomp: no network' /tmp/weekly.log || fail "R was not cut off from the network"
! grep -q 'Traceback\|Read-only file system' /tmp/weekly.log || { grep -B5 -A5 'Traceback\|Read-only' /tmp/weekly.log >&2; fail "the weekly job met an error"; }
say "the weekly job of the sample data; R had no network by its own sandbox too"

dagster code-server start --host 0.0.0.0 --port 4000 --module-name platform_assets.definitions --location-name platform >/tmp/code-server.log 2>&1 &
wait_for 60 dagster api grpc-health-check --port 4000
say "code server"

printf 'load_from: [{grpc_server: {host: 127.0.0.1, port: 4000, location_name: platform}}]\n' >/tmp/workspace.yaml
dagster-webserver --host 127.0.0.1 --port 3000 --workspace /tmp/workspace.yaml >/tmp/webserver.log 2>&1 &
wait_for 60 answers http://127.0.0.1:3000/server_info
say "webserver"

dagster-daemon run --workspace /tmp/workspace.yaml >/tmp/daemon.log 2>&1 &
wait_for 90 dagster-daemon liveness-check
say "daemon"

PLATFORM_ERASURE_SECOND_PERSON=0 python3 -m console 8501 >/tmp/console.log 2>&1 &
wait_for 60 answers http://127.0.0.1:8501/_stcore/health
answers http://127.0.0.1:8501/ || fail "the console's page"
say "console"

python3 -m dashboard 8600 >/tmp/dashboard.log 2>&1 &
wait_for 60 answers http://127.0.0.1:8600/health
answers http://127.0.0.1:8600/ || fail "the dashboard's page"
answers http://127.0.0.1:8600/i/turnaround/figure.png || fail "a figure of the dashboard as picture"
say "dashboard"

python3 -m platform_assets.monitoring check --verbose 2>/tmp/alerts.log | tail -1 | grep -q 'run(s) ended' || { tail -5 /tmp/alerts.log >&2; fail "alerts"; }
say "alerts"
echo "the image works in every role"
# the namespace ends with this process, and with it everything that was started
