#!/usr/bin/env bash
# Builds the image on a debootstrapped Debian 12, and uses it as the cluster does: as user 10001, on a read-only root, without network.
# Needs root, podman, debootstrap and unshare; about six minutes, one when nothing but our code changed. Exit code 77: cannot be tested here.
# During the build apt and pip use this machine's settings (pip.conf, certificates, apt's own files that no package brought), so that
# they reach the mirrors that it reaches. IMAGE_BUILD_MOUNTS names other files or folders to be mounted instead; none if it is empty.
set -euo pipefail
umask 022 # the image's user reads what is put into it
cd "$(dirname "$0")/../.."
base=localhost/platform-base:bookworm
image=localhost/platform:test
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT

for program in podman debootstrap unshare chroot ip; do
  command -v "$program" >/dev/null || { echo "NOT TESTED: $program is missing (apt-get install podman debootstrap iproute2)" >&2; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo "NOT TESTED: mounting the image's file system needs root" >&2; exit 77; }
unshare --mount --net --pid --fork bash -euc 'mount -t tmpfs tmpfs "$1"; ip link set lo up' _ "$place" 2>/dev/null ||
  { echo "NOT TESTED: this machine lets nobody make namespaces and mounts" >&2; exit 77; }
podman info >"$place/podman.log" 2>&1 || { echo "NOT TESTED: podman cannot run here: $(tail -1 "$place/podman.log")" >&2; exit 77; }

if ! podman image exists "$base"; then
  echo "Making the base (debootstrap)"
  mirror="$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\(http[^ ]*\).*/\2/p' /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list 2>/dev/null | head -1 || true)"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$place/base" "${mirror:-http://deb.debian.org/debian}" >"$place/debootstrap.log" ||
    { tail -5 "$place/debootstrap.log" >&2; exit 1; }
  tar -C "$place/base" -c . | podman import -q - "$base" >/dev/null
  rm -rf "$place/base"
fi

settings() {
  local file
  for file in /etc/pip.conf /etc/ssl/certs; do [ ! -e "$file" ] || echo "$file"; done
  for file in /etc/apt/apt.conf.d/*; do dpkg -S "$file" >/dev/null 2>&1 || echo "$file"; done
}
mounts=()
for path in ${IMAGE_BUILD_MOUNTS-$(settings)}; do mounts+=(-v "$path:$path:ro"); done
git ls-files -z | xargs -0 tar -c | { mkdir "$place/context" && tar -x -C "$place/context"; }
podman build -q --isolation chroot --network host --format docker "${mounts[@]}" \
  --build-arg "BASE_IMAGE=$base" --build-arg "REVISION=$(git rev-parse HEAD)" -t "$image" "$place/context" >"$place/build.log" ||
  { tail -30 "$place/build.log" >&2; exit 1; }
echo "built: $(podman image inspect "$image" --format '{{.Size}}' | awk '{printf "%.2f GB", $1 / 1e9}')"
podman image inspect "$image" --format '{{.Config.User}} {{.Config.Entrypoint}} {{.Config.Healthcheck}}' | grep -q '^10001:10001 \[\] .*grpc-health-check' ||
  { echo "the image's user, entry point or health check is not what it should be" >&2; exit 1; }

# no container runtime is needed: namespaces of its own (mounts, network, processes) around the image's file system
root="$(podman image mount "$image")"
trap 'podman image umount "$image" >/dev/null; rm -rf "$place"' EXIT
mkdir "$place/image"
cp deploy/image/inside.sh "$place/inside.sh"
# the cluster's dagster.yaml, without its database and its API server
chroot "$root" /opt/venv/bin/python - >"$place/dagster.yaml" <<'END'
import yaml

settings = yaml.safe_load(open("/opt/platform/deploy/dagster.yaml"))
del settings["run_launcher"]
settings["storage"] = {"sqlite": {"base_dir": "/tmp/storage"}}
print(yaml.safe_dump(settings))
END
chmod 0644 "$place/dagster.yaml"
# shellcheck disable=SC2016 # expanded inside
unshare --mount --net --pid --fork bash -euc '
  root=$1; place=$2
  mount --bind "$root" "$place/image"; mount -o remount,bind,ro "$place/image"
  mount -t tmpfs -o mode=1777 tmpfs "$place/image/tmp"
  mount -t tmpfs -o mode=0770,uid=10001,gid=10001 tmpfs "$place/image/var/lib/platform/data"
  mount --bind "$place/dagster.yaml" "$place/image/var/lib/platform/dagster/dagster.yaml"
  mount -t proc proc "$place/image/proc"; mount --rbind /dev "$place/image/dev"
  ip link set lo up
  cp "$place/inside.sh" "$place/image/tmp/inside.sh"
  exec chroot --userspec=10001:10001 "$place/image" /usr/bin/env -i \
    PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/opt/platform PYTHONDONTWRITEBYTECODE=1 LANG=C.UTF-8 TZ=UTC HOME=/tmp \
    DAGSTER_HOME=/var/lib/platform/dagster DATA_HOME=/var/lib/platform/data DAGSTER_DISABLE_TELEMETRY=yes bash /tmp/inside.sh
' _ "$root" "$place"
