"""Who may talk to whom in the cluster, read from the rendered network policies; no network plugin has enforced them."""

from __future__ import annotations

import pytest
import yaml

from tests.deploy.overlays import OVERLAYS, Resource, of_kind, pods, selects


def ways_out(overlay: str, **labels: str) -> list[tuple[str, Resource]]:
    """Egress rules of all policies that select a pod with these labels."""
    named = {
        k.replace("component", "app.kubernetes.io/component")
        .replace("fetch", "platform/fetch")
        .replace("sftp", "platform/sftp"): v
        for k, v in labels.items()
    }
    policies = of_kind(overlay, "NetworkPolicy")
    chosen = {n: p["spec"] for n, p in policies.items() if selects(p["spec"]["podSelector"], named)}
    assert any("Egress" in spec["policyTypes"] for spec in chosen.values()), "a pod without policy may talk to all"
    return [
        (n, rule) for n, spec in chosen.items() if "Egress" in spec["policyTypes"] for rule in spec.get("egress") or []
    ]


def reaches_the_internet(rules: list[tuple[str, Resource]]) -> bool:
    return any("ipBlock" in to and to["ipBlock"]["cidr"] == "0.0.0.0/0" for _, rule in rules for to in rule["to"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_r_workers_reach_the_database_and_the_bucket_and_nothing_else_whatever_their_labels(overlay: str) -> None:
    for labels in ({}, {"fetch": "yes"}):
        rules = ways_out(overlay, component="r-worker", **labels)
        assert {n for n, _ in rules} == {"names", "google-apis", "to-postgres"}
        assert not reaches_the_internet(rules)
    addresses = {to["ipBlock"]["cidr"] for _, rule in rules for to in rule["to"] if "ipBlock" in to}
    # Google's private address, the node's metadata server and name cache; not the API of the cluster (172.16.0.0/28)
    assert addresses == {"199.36.153.8/30", "169.254.169.254/32", "169.254.169.252/32", "169.254.20.10/32"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_alerts_reach_people_and_hold_no_key_to_the_data(overlay: str) -> None:
    assert {n for n, _ in ways_out(overlay, component="alerts")} == {
        "names",
        "google-apis",
        "to-postgres",
        "way-out-alerts",
    }
    (container,) = pods(overlay)["alerts"]["spec"]["containers"]
    secrets = {e["secretRef"]["name"] for e in container["envFrom"] if "secretRef" in e}
    assert secrets == {"platform-alerts"}
    secret = yaml.safe_dump(of_kind(overlay, "ExternalSecret")["platform-alerts"])
    assert "platform-alert-" in secret
    assert "identity" not in secret
    assert "hmac" not in secret
    # what looks from outside is the only one that looks
    assert of_kind(overlay, "ConfigMap")["platform"]["data"]["PLATFORM_ALERTS_BY"] == "cron"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_who_is_not_listed_reaches_names_only_and_runs_the_internet_only_where_they_fetch(overlay: str) -> None:
    assert {n for n, _ in ways_out(overlay, component="something-new")} == {"names"}
    assert {n for n, _ in ways_out(overlay, component="run")} == {
        "names",
        "google-apis",
        "to-postgres",
        "to-kubernetes",
    }
    assert not reaches_the_internet(ways_out(overlay, component="run"))
    assert reaches_the_internet(ways_out(overlay, component="run", fetch="yes"))
    for component in ("daemon", "webserver", "webserver-readonly", "code-server", "postgres"):
        assert not reaches_the_internet(ways_out(overlay, component=component))
    for pod in pods(overlay).values():
        assert ways_out(overlay, component=pod["metadata"]["labels"]["app.kubernetes.io/component"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_who_delivers_reaches_the_port_of_the_place_and_no_other(overlay: str) -> None:
    def public(**labels: str) -> set[int]:
        rules = ways_out(overlay, component="run", **labels)
        out = [rule for name, rule in rules if reaches_the_internet([(name, rule)])]
        assert all(to["ipBlock"]["except"] for rule in out for to in rule["to"])  # never the machines beside us
        return {port["port"] for rule in out for port in rule["ports"]}

    assert public(sftp="yes") == {22}
    assert public(fetch="yes") == {443}
    assert public() == set()
    assert not reaches_the_internet(ways_out(overlay, component="r-worker", sftp="yes"))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_webservers_are_reached_through_the_proxy_and_the_console_only(overlay: str) -> None:
    policies = of_kind(overlay, "NetworkPolicy")
    for component in ("webserver", "webserver-readonly"):
        labels = {"app.kubernetes.io/component": component}
        sources = [
            source["podSelector"]["matchExpressions"][0]["values"]
            for policy in policies.values()
            if selects(policy["spec"]["podSelector"], labels) and "Ingress" in policy["spec"]["policyTypes"]
            for rule in policy["spec"].get("ingress") or []
            for source in rule["from"]
        ]
        assert sources == [["proxy", "console"]]
    (ingress,) = of_kind(overlay, "Ingress").values()
    backends = {r["http"]["paths"][0]["backend"]["service"]["name"] for r in ingress["spec"]["rules"]}
    assert backends == {"proxy"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_console_and_dashboard_are_reached_through_the_proxy_only(overlay: str) -> None:
    """The console keeps something for everybody who asks; the kubelet, which asks for their health, is no matter of policies."""
    for component, port in (("console", 8501), ("dashboard", 8600)):
        ways = [
            rule
            for policy in of_kind(overlay, "NetworkPolicy").values()
            if selects(policy["spec"]["podSelector"], {"app.kubernetes.io/component": component})
            for rule in policy["spec"].get("ingress") or []
        ]
        assert ways == [
            {
                "from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/component": "proxy"}}}],
                "ports": [{"protocol": "TCP", "port": port}],
            }
        ]
        assert "annotations" not in of_kind(overlay, "Service")[component]["metadata"]  # no load balancer of its own
    assert {name for name, _ in ways_out(overlay, component="dashboard")} == {
        "names",
        "google-apis",
        "to-postgres",
        "way-out",
    }
    assert {name for name, _ in ways_out(overlay, component="proxy")} == {
        "names",
        "to-webservers",
        "to-console",
        "to-dashboard",
        "way-out",
    }
    from_outside = of_kind(overlay, "NetworkPolicy")["from-load-balancer"]["spec"]
    assert from_outside["podSelector"] == {"matchLabels": {"app.kubernetes.io/component": "proxy"}}
    # each host of the entry leads to the server of nginx that knows itself by that name
    site = of_kind(overlay, "ConfigMap")[next(n for n in of_kind(overlay, "ConfigMap") if n.startswith("nginx-site"))][
        "data"
    ]["site.conf"]
    ports = {p["name"]: p["port"] for p in of_kind(overlay, "Service")["proxy"]["spec"]["ports"]}
    (ingress,) = of_kind(overlay, "Ingress").values()
    for rule in ingress["spec"]["rules"]:
        backend = rule["http"]["paths"][0]["backend"]["service"]
        block = next(b for b in site.split("server {") if f"listen {ports[backend['port']['name']]};" in b)
        assert f"set $own_origin https://{rule['host']};" in block
