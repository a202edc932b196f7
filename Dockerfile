# One image for every role: code server, run worker, webserver, daemon, console, dashboard. Build it with `make image`; see docs/cloud.md.
#
# BASE_IMAGE has no default on purpose: name a Debian 12 image with its digest (debian:bookworm-slim@sha256:...).
ARG BASE_IMAGE

# ---------------------------------------------------------------- what both stages have: Python, and R from its lock
FROM ${BASE_IMAGE} AS base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 TZ=UTC
COPY deploy/image/r.lock /tmp/r.lock
# versions stand in r.lock; python3 is the distribution's own (security updates within 3.11); SQL Server's driver needs libltdl7
# hadolint ignore=DL3008
RUN apt-get update \
 && xargs -a /tmp/r.lock apt-get install -y --no-install-recommends python3 libpython3.11 tzdata libltdl7 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /usr/share/doc /usr/share/man /usr/share/locale /tmp/r.lock

# ---------------------------------------------------------------- compilers, only here: rpy2 is built against this R
FROM base AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv python3-dev gcc libc6-dev r-base-dev \
    libpcre2-dev libblas-dev liblapack-dev liblzma-dev libbz2-dev zlib1g-dev libicu-dev \
 && rm -rf /var/lib/apt/lists/*
COPY deploy/image/requirements.lock /tmp/requirements.lock
ENV RPY2_CFFI_MODE=API PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python3 -m venv /opt/venv \
 && /opt/venv/bin/pip install --require-hashes --no-deps --no-binary rpy2-rinterface -r /tmp/requirements.lock \
 && /opt/venv/bin/python -c 'import rpy2.rinterface_lib.openrlib as o; assert o.cffi_mode.name == "API", o.cffi_mode' \
 # API descriptions of hundreds of Google services: only those of our sources stay
 && find /opt/venv/lib/python3.11/site-packages/googleapiclient/discovery_cache/documents -type f \
      ! -name 'searchconsole*' ! -name 'businessprofile*' ! -name 'mybusiness*' -delete \
 && rm -rf /opt/venv/lib/python3.11/site-packages/pyarrow/include \
 && /opt/venv/bin/python -m compileall -q -j 0 /opt/venv/lib \
 && rm -rf /opt/venv/bin/pip* /opt/venv/lib/python3.11/site-packages/pip

# ---------------------------------------------------------------- the image
FROM base
ARG REVISION=unknown
LABEL org.opencontainers.image.title="health-data-platform" \
      org.opencontainers.image.description="Weekly health data: checked row by row, computed on by R, published with care." \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/venv /opt/venv
COPY . /opt/platform
# the user has a number, so that Kubernetes can see that it is not root; DAGSTER_HOME and DATA_HOME are mounted over
RUN python3 -m compileall -q /opt/platform \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin platform \
 && install -d -o 10001 -g 10001 -m 0750 /var/lib/platform /var/lib/platform/dagster /var/lib/platform/data \
 && install -d -m 0755 /opt/platform/.streamlit \
 && install -o 10001 -g 10001 -m 0640 /opt/platform/deploy/dagster.yaml /var/lib/platform/dagster/dagster.yaml
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/platform \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DAGSTER_HOME=/var/lib/platform/dagster \
    DATA_HOME=/var/lib/platform/data \
    DAGSTER_DISABLE_TELEMETRY=yes \
    HOME=/tmp
WORKDIR /opt/platform
USER 10001:10001
EXPOSE 4000
# no ENTRYPOINT: the run launcher sends its command as arguments
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s --retries=3 \
    CMD ["dagster", "api", "grpc-health-check", "--port", "4000"]
CMD ["dagster", "code-server", "start", "--host", "0.0.0.0", "--port", "4000", "--module-name", "platform_assets.definitions", "--location-name", "platform"]
