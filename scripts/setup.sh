#!/usr/bin/env bash
# Makes .venv ready and installs the Debian packages that are missing. Quick when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(python3-venv python3-dev gcc make r-base-core r-base-dev
  libpcre2-dev libblas-dev liblapack-dev liblzma-dev libbz2-dev zlib1g-dev libicu-dev libltdl7
  r-cran-jsonlite r-cran-yaml r-cran-testthat r-cran-ggplot2 r-cran-dplyr r-cran-data.table r-cran-survival)
# PLATFORM_EXTRA_PACKAGES: what only the tests need (a browser, database servers), named by the Makefile's test target
read -r -a extra <<<"${PLATFORM_EXTRA_PACKAGES:-}"

missing=()
for package in "${packages[@]}" "${extra[@]}"; do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "Installing system packages: ${missing[*]}"
  sudo=""; [ "$(id -u)" = 0 ] || sudo="sudo"
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  $sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

stamp=".venv/.installed"
wanted="$(cat requirements.lock pyproject.toml scripts/setup.sh | sha256sum | cut -d' ' -f1)"
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  echo "Installing Python packages into .venv (from the hashed lock file)"
  python="${PYTHON:-python3.11}"; command -v "$python" >/dev/null || python=python3
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  uv_lock="$(mktemp)"; trap 'rm -f "$uv_lock"' EXIT
  sed -n '/^uv==/,/[^\\]$/p' requirements.lock >"$uv_lock"
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r "$uv_lock"
  # rpy2 in API mode, built here against this machine's R: its ABI-only wheel loads but is slow and crashes late
  RPY2_CFFI_MODE=API .venv/bin/uv pip sync -q --compile-bytecode --python .venv/bin/python \
    --no-binary rpy2-rinterface --refresh-package rpy2-rinterface --require-hashes requirements.lock
  .venv/bin/uv pip install -q --python .venv/bin/python --no-deps --no-build-isolation -e .
  .venv/bin/python -c 'import rpy2.rinterface_lib.openrlib as o, sys; sys.exit(o.cffi_mode.name != "API")' ||
    { echo "rpy2 was not built in API mode: are r-base-dev and the -dev packages installed?" >&2; exit 1; }
  echo "$wanted" >"$stamp"
fi

# in an activated .venv the dagster command finds dagster.yaml (the same instance as `make`) and the definitions
if ! grep -q DAGSTER_STORAGE .venv/bin/activate; then
  cat >>.venv/bin/activate <<END

export DAGSTER_HOME="$PWD" DAGSTER_MODULE_NAME=platform_assets.definitions
export DATA_HOME="\${DATA_HOME:-$PWD/data}"
export DAGSTER_STORAGE="\$DATA_HOME/dagster"
END
fi
