"""The cluster's manifests, as kustomize renders them: valid, restricted, and with no way out that is not written down."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from dashboard.people import Provider
from platform_assets.contracts.files import read_contracts
from platform_assets.indicators.script.header import list_indicators
from platform_assets.wide import AT_ONCE, COMPONENT, FETCH, KEYS, step_settings
from resources.databases import mssql, mysql, oracle, postgresql
from resources.environment import INDICATORS, Settings, resources_for
from tests.deploy.kubernetes_api import problems, unrestricted
from tests.deploy.overlays import DEPLOY, OF_OTHERS, OVERLAYS, Resource, of_kind, pods, rendered, rendered_in, selects

"""Kinds that operators and GKE define: their schemas are not Kubernetes' own, so they are not checked."""


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubernetes_would_take_every_resource(overlay: str) -> None:
    checked = [r for r in rendered(overlay) if r["kind"] not in OF_OTHERS]
    assert len(checked) > 40
    assert {f"{r['kind']}/{r['metadata']['name']}": p for r in checked if (p := problems(r))} == {}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_restricted_read_only_and_bounded(overlay: str) -> None:
    (namespace,) = of_kind(overlay, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert set(pods(overlay)) == {
        "code-server", "webserver", "webserver-readonly", "daemon", "console", "dashboard", "proxy", "postgres", "alerts"
    }  # fmt: skip
    for name, pod in pods(overlay).items():
        assert unrestricted(pod["spec"]) == [], name
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"], name
            assert set(container["resources"]["limits"]) == {"cpu", "memory", "ephemeral-storage"}, name
            assert name == "alerts" or {"readinessProbe", "livenessProbe"} <= set(container), name
            assert re.search(r"@sha256:[0-9a-f]{64}$", container["image"]), name


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_those_that_start_runs_hold_a_token(overlay: str) -> None:
    holders = {n for n, p in pods(overlay).items() if p["spec"].get("automountServiceAccountToken") is not False}
    assert holders == {"daemon", "webserver"}
    (binding,) = of_kind(overlay, "RoleBinding").values()
    assert {s["name"] for s in binding["subjects"]} == {"platform-daemon", "platform-web", "platform-run"}
    (role,) = of_kind(overlay, "Role").values()
    assert not any("*" in rule["verbs"] + rule["resources"] for rule in role["rules"])
    assert "secrets" not in {r for rule in role["rules"] for r in rule["resources"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_stands_in_the_manifests(overlay: str) -> None:
    assert not of_kind(overlay, "Secret")
    text = yaml.safe_dump([r for r in rendered(overlay) if r["kind"] == "ConfigMap"])
    assert not re.search(
        r"(?i)(password|secret(?!Name: platform-|s_dir: )|token|hmac)\w*[=:]\s*['\"]?[A-Za-z0-9/+]{8,}", text
    )
    for pod in pods(overlay).values():
        for container in pod["spec"]["containers"]:
            literal = {e["name"] for e in container.get("env", []) if "value" in e}
            assert not {n for n in literal if re.search("PASSWORD|SECRET|KEY", n)}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_pods_refer_to_is_there(overlay: str) -> None:
    maps, secrets = set(of_kind(overlay, "ConfigMap")), set(of_kind(overlay, "ExternalSecret"))
    for name, pod in pods(overlay).items():
        text = yaml.safe_dump(pod)
        accounts = of_kind(overlay, "ServiceAccount")
        account = accounts[pod["spec"]["serviceAccountName"]]
        assert account["metadata"]["annotations"]["iam.gke.io/gcp-service-account"]
        volumes = pod["spec"].get("volumes", [])
        named = [v["configMap"]["name"] for v in volumes if "configMap" in v]
        named += [s["configMap"]["name"] for v in volumes for s in v.get("projected", {}).get("sources", [])]
        assert set(named) <= maps, name
        assert {v["secret"]["secretName"] for v in volumes if "secret" in v} <= secrets, name
        mounted = {m["name"] for c in pod["spec"]["containers"] for m in c.get("volumeMounts", [])}
        assert mounted == {v["name"] for v in volumes}, name
        assert set(re.findall(r"secretRef:\s+name: (\S+)", text)) <= secrets
        assert set(re.findall(r"configMapRef:\s+name: (\S+)", text)) <= maps
    launcher = yaml.safe_load(of_kind(overlay, "ConfigMap")["dagster-instance"]["data"]["dagster.yaml"])
    config = launcher["run_launcher"]["config"]
    assert config["service_account_name"] in of_kind(overlay, "ServiceAccount")
    assert {config["instance_config_map"], *config["env_config_maps"]} <= maps
    mounted = {v["secret"]["secretName"] for v in config["volumes"] if "secret" in v}
    assert {config["postgres_password_secret"], *config["env_secrets"], *mounted} <= secrets


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_runs_use_the_image_that_the_daemon_runs(overlay: str) -> None:
    image = pods(overlay)["daemon"]["spec"]["containers"][0]["image"]
    assert of_kind(overlay, "ConfigMap")["platform"]["data"]["PLATFORM_IMAGE"] == image


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_with_the_component_bigquery_is_the_engine_and_nothing_else_differs(
    overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("terraform", "image"))
    file = tmp_path / "deploy" / "kustomize" / "overlays" / overlay / "kustomization.yaml"
    file.write_text(f"{file.read_text()}components: [../../components/bigquery]\n")
    before = {(r["kind"], r["metadata"]["name"]): r for r in rendered(overlay)}
    after = {(r["kind"], r["metadata"]["name"]): r for r in rendered_in(tmp_path / "deploy", overlay)}
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name]] == [("ConfigMap", "platform")]
    for name, value in before["ConfigMap", "platform"]["data"].items():
        monkeypatch.setenv(name, value)
    without = resources_for("cloud", Settings.from_environment())
    assert without.bigquery is None
    assert without.copies is not None  # indicators and products are published
    for name, value in after["ConfigMap", "platform"]["data"].items():
        monkeypatch.setenv(name, value)
    platform = resources_for("cloud", Settings.from_environment())
    assert platform.bigquery is not None
    assert platform.bigquery.project == before["ConfigMap", "platform"]["data"]["PLATFORM_BIGQUERY_PROJECT"]
    region = re.search(
        r'"region" \{.*?default\s+= "(\S+)"', (DEPLOY / "terraform" / "variables.tf").read_text(), re.DOTALL
    )
    assert region is not None
    assert platform.bigquery.location == region[1]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_with_the_component_sources_runs_that_fetch_reach_the_ports_of_databases(overlay: str, tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("terraform", "image"))
    file = tmp_path / "deploy" / "kustomize" / "overlays" / overlay / "kustomization.yaml"
    file.write_text(f"{file.read_text()}components: [../../components/sources]\n")
    before = {(r["kind"], r["metadata"]["name"]): r for r in rendered(overlay)}
    after = {(r["kind"], r["metadata"]["name"]): r for r in rendered_in(tmp_path / "deploy", overlay)}
    assert before == {name: r for name, r in after.items() if name in before}
    added = {
        name: r
        for (_, name), r in after.items()
        if ("NetworkPolicy", name) not in before and r["kind"] == "NetworkPolicy"
    }
    assert len(after) == len(before) + len(added)
    ports = {name: {p["port"] for rule in r["spec"]["egress"] for p in rule["ports"]} for name, r in added.items()}
    assert ports == {
        "way-out-databases": {d.port for d in (postgresql.DIALECT, mysql.DIALECT, mssql.DIALECT, oracle.DIALECT)},
    }
    for policy in added.values():
        assert problems(policy) == []
        assert policy["spec"]["podSelector"] == before["NetworkPolicy", "way-out-fetch"]["spec"]["podSelector"]
        assert policy["metadata"]["namespace"] == before["NetworkPolicy", "way-out-fetch"]["metadata"]["namespace"]
        addresses = [to["ipBlock"]["cidr"] for rule in policy["spec"]["egress"] for to in rule["to"]]
        assert all(
            a.startswith("192.0.2.") and a.endswith("/32") for a in addresses
        )  # nobody's, until they are filled in


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_labels_that_steps_get_are_those_that_the_policies_look_for(overlay: str) -> None:
    steps = step_settings({}, read_contracts(), list_indicators(INDICATORS))
    labels = [s["pod_template_spec_metadata"]["labels"] for s in steps.values() if "pod_template_spec_metadata" in s]
    assert {k: v for one in labels for k, v in one.items()} == {COMPONENT: "r-worker", FETCH: "yes"}
    text = yaml.safe_dump(list(of_kind(overlay, "NetworkPolicy").values()))
    assert "r-worker" in text
    assert f"{FETCH}: 'yes'" in text


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_keys_that_pseudonymise_are_held_by_loads_and_stewards_only(overlay: str) -> None:
    external = of_kind(overlay, "ExternalSecret")
    (keys, audit) = sorted(
        (name for name, secret in external.items() if "identity-key" in yaml.safe_dump(secret)), key=lambda n: n != KEYS
    )
    # the dashboard seals entries of the audit log, and that is all
    (given,) = external[audit]["spec"]["data"]
    assert "dataFrom" not in external[audit]["spec"]
    assert (given["secretKey"], given["remoteRef"]["key"]) == (
        "PLATFORM_IDENTITY_KEY_AUDIT",
        "platform-identity-key-audit",
    )
    assert {name for name, pod in pods(overlay).items() if audit in yaml.safe_dump(pod)} == {"dashboard"}
    holders = {name for name, pod in pods(overlay).items() if keys in yaml.safe_dump(pod)}
    assert holders == {"console"}
    (folder,) = [
        m["data"]["PLATFORM_IDENTITY_KEYS_DIR"] for n, m in of_kind(overlay, "ConfigMap").items() if n == "platform"
    ]
    assert (
        keys == KEYS
    )  # what loads and erasures name (platform_assets/wide.py; tests/test_wide.py says which steps those are)
    # no run has them by itself: some of its steps run R
    assert keys not in yaml.safe_dump(launcher(overlay))
    # as files: a variable would be in the environment of every process that the pod starts
    (container,) = pods(overlay)["console"]["spec"]["containers"]
    assert keys not in yaml.safe_dump(container.get("envFrom"))
    (volume,) = [
        v for v in pods(overlay)["console"]["spec"]["volumes"] if v.get("secret", {}).get("secretName") == keys
    ]
    assert volume["secret"]["defaultMode"] == 0o440
    assert {"name": volume["name"], "mountPath": folder, "readOnly": True} in container["volumeMounts"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_in_the_cluster_r_runs_locked_in_or_not_at_all(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in of_kind(overlay, "ConfigMap")["platform"]["data"].items():
        monkeypatch.setenv(name, value)
    assert resources_for("cloud", Settings.from_environment()).r.sandbox == "required"
    assert not resources_for("cloud", Settings.from_environment()).r.beside_keys
    monkeypatch.delenv("PLATFORM_R_SANDBOX")
    assert resources_for("cloud", Settings.from_environment()).r.sandbox == "required"
    for weaker in ("best", "off"):
        monkeypatch.setenv("PLATFORM_R_SANDBOX", weaker)
        with pytest.raises(ValueError, match="in the cloud R runs locked in, or not at all"):
            resources_for("cloud", Settings.from_environment())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_consoles_login_is_complete_and_its_secrets_come_from_secret_manager(overlay: str) -> None:
    maps = of_kind(overlay, "ConfigMap")
    external = of_kind(overlay, "ExternalSecret")["platform-console"]["spec"]
    (source,) = external["target"]["template"]["templateFrom"]
    (item,) = source["configMap"]["items"]
    text = maps[source["configMap"]["name"]]["data"][item["key"]]
    for given in external["data"]:
        text = text.replace("{{ ." + given["secretKey"] + " }}", f"value of {given['remoteRef']['key']}")
    login = tomllib.loads(text)["auth"]
    assert "{{" not in str(login)
    (ingress,) = of_kind(overlay, "Ingress").values()
    (host,) = [r["host"] for r in ingress["spec"]["rules"] if r["host"].startswith("console.")]
    assert login["redirect_uri"] == f"https://{host}/oauth2callback"
    (issuer,) = [m["data"]["issuer"] for m in maps.values() if "issuer" in m["data"]]
    assert login["server_metadata_url"] == f"{issuer}/.well-known/openid-configuration"
    assert login["client_secret"] == "value of platform-console-client-secret"
    assert login["cookie_secret"] == "value of platform-console-cookie-secret"
    (container,) = pods(overlay)["console"]["spec"]["containers"]
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "oidc"]
    assert (mount["mountPath"], mount["subPath"]) == ("/opt/platform/.streamlit/secrets.toml", item["key"])
    assert maps["console"]["data"]["PLATFORM_LOGIN"] == "oidc"
    assert maps["console"]["data"]["PLATFORM_DAGSTER_URL"] == "http://webserver:3000"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_dashboards_login_can_be_read_and_its_secrets_come_from_secret_manager(
    overlay: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = of_kind(overlay, "ConfigMap")
    external = of_kind(overlay, "ExternalSecret")["platform-dashboard"]["spec"]
    (source,) = external["target"]["template"]["templateFrom"]
    (item,) = source["configMap"]["items"]
    text = maps[source["configMap"]["name"]]["data"][item["key"]]
    for given in external["data"]:
        text = text.replace("{{ ." + given["secretKey"] + " }}", f"value of {given['remoteRef']['key']}")
    assert "{{" not in text
    (container,) = pods(overlay)["dashboard"]["spec"]["containers"]
    settings = maps["dashboard"]["data"]
    (mount,) = [m for m in container["volumeMounts"] if m["name"] == "oidc"]
    assert settings["PLATFORM_DASHBOARD_LOGIN"] == f"{mount['mountPath']}/{item['key']}"
    (tmp_path / "login.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PLATFORM_LOGIN", settings["PLATFORM_LOGIN"])
    monkeypatch.setenv("PLATFORM_DASHBOARD_LOGIN", str(tmp_path / "login.toml"))
    provider = Provider.from_environment()
    assert provider
    assert provider.https
    (ingress,) = of_kind(overlay, "Ingress").values()
    (host,) = [r["host"] for r in ingress["spec"]["rules"] if r["host"].startswith("dashboard.")]
    assert provider.redirect_uri == f"https://{host}/auth/callback"
    assert (provider.client_secret, provider.cookie_secret) == (
        "value of platform-dashboard-client-secret",
        "value of platform-dashboard-cookie-secret",
    )
    (issuer,) = [m["data"]["issuer"] for m in maps.values() if "issuer" in m["data"]]
    assert provider.server_metadata_url == f"{issuer}/.well-known/openid-configuration"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_load_balancer_asks_for_a_page_that_needs_no_login_and_lets_websockets_last(overlay: str) -> None:
    (ingress,) = of_kind(overlay, "Ingress").values()
    (balancer,) = [p["spec"] for n, p in of_kind(overlay, "NetworkPolicy").items() if n == "from-load-balancer"]
    open_ports = {port["port"] for port in balancer["ingress"][0]["ports"]}
    for rule in ingress["spec"]["rules"]:
        service = of_kind(overlay, "Service")[rule["http"]["paths"][0]["backend"]["service"]["name"]]
        notes = service["metadata"]["annotations"]
        # the check's port is one of the pods' own, not the service's
        assert json.loads(notes["cloud.google.com/neg"]) == {"ingress": True}
        backend = of_kind(overlay, "BackendConfig")[json.loads(notes["cloud.google.com/backend-config"])["default"]]
        check = backend["spec"]["healthCheck"]
        containers = pods(overlay)[service["spec"]["selector"]["app.kubernetes.io/component"]]["spec"]["containers"]
        ports = {p["containerPort"]: p["name"] for c in containers for p in c.get("ports", [])}
        probes = [c["readinessProbe"]["httpGet"] for c in containers if "httpGet" in c["readinessProbe"]]
        assert {"path": check["requestPath"], "port": ports[check["port"]]} in probes
        assert check["port"] in open_ports
        assert backend["spec"]["timeoutSec"] >= 3600


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_only_engineers_open_the_host_where_things_can_be_changed(overlay: str) -> None:
    """What nginx does with these groups: test_proxy.py."""
    maps = of_kind(overlay, "ConfigMap").values()
    (login,) = [m["data"] for m in maps if "issuer" in m["data"]]
    (site,) = [m["data"]["site.conf"] for m in maps if "site.conf" in m["data"]]
    groups = dict(re.findall(r"set \$service (\w+);\n  set \$own_origin \S+;\n  set \$login_groups (\S+);", site))
    assert groups == {
        "dagster_engineers": login["engineers"],
        "dagster_viewers": f"{login['viewers']},{login['engineers']}",
        "stewards_console": login["console"],
        "clinicians_dashboard": login["dashboard"],
    }
    assert login["viewers"] != login["engineers"]
    containers = {c["name"]: c for c in pods(overlay)["proxy"]["spec"]["containers"]}
    named = {e["name"]: e["valueFrom"]["configMapKeyRef"]["key"] for e in containers["login"]["env"]}
    allowed = re.findall(r"--allowed-group=\$\((\w+)\)", " ".join(containers["login"]["args"]))
    assert {named[name] for name in allowed} == {"viewers", "engineers", "console", "dashboard"}
    # oauth2-proxy is asked whether it works, by way of a port that the kubelet reaches
    ports = {p["containerPort"] for p in containers["nginx"]["ports"]}
    for probe in ("readinessProbe", "livenessProbe"):
        asked = containers["login"][probe]["httpGet"]
        assert asked["port"] in ports
        assert re.search(rf"location = {asked['path']} {{ proxy_pass http://127.0.0.1:4180/ping; }}", site)
    assert "--ping-path=/ping" in containers["login"]["args"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_names_are_found_by_cloud_dns_and_runs_that_fetch_leave_by_https_only(overlay: str) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    (names,) = policies["names"]["spec"]["egress"]
    asked = {to["ipBlock"]["cidr"] for to in names["to"] if "ipBlock" in to}
    assert asked == {"169.254.169.254/32", "169.254.20.10/32"}  # Cloud DNS, which is Autopilot's; kube-dns' cache
    assert sorted((p["protocol"], p["port"]) for p in names["ports"]) == [("TCP", 53), ("UDP", 53)]
    (fetch,) = policies["way-out-fetch"]["spec"]["egress"]
    assert fetch["ports"] == [{"protocol": "TCP", "port": 443}]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_page_names_the_settings_that_running_pods_do_not_notice(overlay: str) -> None:
    """A ConfigMap whose name holds no hash of its content changes, and no deployment with it."""
    fixed = {name for name in of_kind(overlay, "ConfigMap") if not re.search(r"-[a-z0-9]{10}$", name)}
    text = (DEPLOY.parent / "docs" / "cloud.md").read_text(encoding="utf-8")
    said = re.search(r"- \*\*Changed settings\.\*\* The ConfigMaps (.*?) keep their names", text, re.DOTALL)
    assert said is not None
    assert set(re.findall(r"`([\w-]+)`", said[1])) == fixed


def size(quantity: str) -> float:
    """Bytes of a Kubernetes quantity, or of DuckDB's (1 MB is 10^6)."""
    number, unit = re.fullmatch(r"(\d+)(\w*)", quantity).groups()  # type: ignore[union-attr]
    return int(number) * {"": 1, "MB": 1e6, "GB": 1e9, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}[unit]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_engine_spills_before_its_pod_is_killed_and_uses_what_there_is(overlay: str) -> None:
    common = of_kind(overlay, "ConfigMap")["platform"]["data"]["PLATFORM_MEMORY_LIMIT"]
    shares = {}
    for name, pod in pods(overlay).items():
        (container, *_) = pod["spec"]["containers"]
        if {"platform-lake", "platform-alerts"} & {
            e.get("secretRef", {}).get("name") for e in container.get("envFrom", [])
        }:
            own = {e["name"]: e.get("value") for e in container.get("env", [])}
            limit = own.get("PLATFORM_MEMORY_LIMIT", common)
            shares[name] = size(limit) / size(container["resources"]["limits"]["memory"])
    assert set(shares) == {"code-server", "console", "dashboard", "alerts"}  # the others cannot open the lake
    shares["run"] = size(common) / size(launcher(overlay)["config"]["resources"]["limits"]["memory"])
    assert {name: share for name, share in shares.items() if not 0.6 <= share <= 0.7} == {}


def launcher(overlay: str) -> Resource:
    text = of_kind(overlay, "ConfigMap")["dagster-instance"]["data"]["dagster.yaml"]
    found: Resource = yaml.safe_load(text)["run_launcher"]
    return found


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_scratch_of_runs_is_a_disk_and_nobody_asks_a_node_for_more_than_autopilot_gives(overlay: str) -> None:
    """Autopilot allows a pod 10 GiB of ephemeral storage (cloud.google.com/kubernetes-engine/docs/concepts/autopilot-resource-requests)."""
    config = launcher(overlay)["config"]
    (disk,) = [v["ephemeral"]["volumeClaimTemplate"]["spec"] for v in config["volumes"] if v["name"] == "data"]
    (quota,) = [q["spec"]["hard"] for q in of_kind(overlay, "ResourceQuota").values()]
    assert size(quota["requests.storage"]) >= int(quota["persistentvolumeclaims"]) * size(
        disk["resources"]["requests"]["storage"]
    )
    at_once = yaml.safe_load((DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))["concurrency"]["runs"]
    assert int(quota["persistentvolumeclaims"]) >= at_once["max_concurrent_runs"] + AT_ONCE
    steps = step_settings({}, read_contracts(), list_indicators(INDICATORS)).values()
    asked = [config["resources"], *(s["container_config"]["resources"] for s in steps if "container_config" in s)]
    asked += [c["resources"] for pod in pods(overlay).values() for c in pod["spec"]["containers"]]
    (most,) = [limit["max"] for r in of_kind(overlay, "LimitRange").values() for limit in r["spec"]["limits"]]
    asked.append({"limits": most})
    assert max(size(one["limits"].get("ephemeral-storage", "0")) for one in asked) <= size("10Gi")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_load_may_last_as_long_as_a_terabyte_takes(overlay: str) -> None:
    text = of_kind(overlay, "ConfigMap")["dagster-instance"]["data"]["dagster.yaml"]
    slowest = re.search(r"(\d+) to (\d+) hours of a pod", (DEPLOY.parent / "docs" / "scale.md").read_text("utf-8"))
    assert slowest is not None
    assert yaml.safe_load(text)["run_monitoring"]["max_runtime_seconds"] > int(slowest[2]) * 3600


def test_the_images_python_packages_are_those_that_were_tested() -> None:
    def pins(path: Path) -> dict[str, str]:
        return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ \\]+)", path.read_text(encoding="utf-8"), re.MULTILINE))

    tested, shipped = pins(DEPLOY.parent / "requirements.lock"), pins(DEPLOY / "image" / "requirements.lock")
    assert len(shipped) > 100
    assert {n: v for n, v in shipped.items() if tested.get(n) not in (v, None)} == {}
    assert not {"pytest", "ruff", "mypy", "hypothesis", "playwright"} & set(shipped)


def test_the_image_has_no_entrypoint_no_root_and_no_default_base() -> None:
    text = (DEPLOY.parent / "Dockerfile").read_text(encoding="utf-8")
    assert "ENTRYPOINT" not in text.replace("no ENTRYPOINT", "")
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "10001:10001"
    assert "ARG BASE_IMAGE\n" in text
    assert "--require-hashes" in text


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_budgets_fit_the_number_of_replicas(overlay: str) -> None:
    """A budget that nothing can satisfy would hold up every node upgrade."""
    replicas = {
        d["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]: d["spec"]["replicas"]
        for d in of_kind(overlay, "Deployment").values()
    }
    budgets = of_kind(overlay, "PodDisruptionBudget").values()
    for component, count in replicas.items():
        found = [
            b["spec"] for b in budgets if selects(b["spec"]["selector"], {"app.kubernetes.io/component": component})
        ]
        assert len(found) == 1, component
        assert found[0].get("minAvailable", 0) < count, component
    # a job's pods have no scale that a budget could count: runs are kept by an annotation (deploy/dagster.yaml)
    for component in ("run", "r-worker"):
        assert not any(selects(b["spec"]["selector"], {"app.kubernetes.io/component": component}) for b in budgets)
