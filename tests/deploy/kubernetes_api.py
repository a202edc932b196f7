"""A Kubernetes API on loopback, strict about what it is sent, that really runs the jobs: each as a process on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

VERSION = "1.32"
Resource = dict[str, Any]


def problems(resource: Resource) -> list[str]:
    """What the API server of `VERSION` would refuse: unknown or missing fields, wrong types."""
    try:
        kubernetes_validate.validate(resource, VERSION, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


def unrestricted(pod: Resource) -> list[str]:
    """Where a pod's spec falls short of the pod security standard `restricted`
    (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    found = []
    outer = pod.get("securityContext", {})
    for place in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(place):
            found.append(place)
    allowed = {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
    found += [f"volume {v['name']}" for v in pod.get("volumes", []) if not allowed & set(v)]
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        inner = container.get("securityContext", {})
        both = {**outer, **inner}
        wrong = {
            "allowPrivilegeEscalation": inner.get("allowPrivilegeEscalation") is not False,
            "runAsNonRoot": both.get("runAsNonRoot") is not True,
            "runAsUser": both.get("runAsUser") == 0,
            "capabilities": "ALL" not in inner.get("capabilities", {}).get("drop", []),
            "added capabilities": bool(set(inner.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}),
            "seccompProfile": both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"),
            "privileged": bool(inner.get("privileged")),
            "hostPort": any("hostPort" in p for p in container.get("ports", [])),
        }
        found += [f"{container['name']}: {name}" for name, bad in wrong.items() if bad]
    return found


@dataclass
class Job:
    """A job as it was sent, and the process that does its work."""

    sent: Resource
    process: subprocess.Popen[bytes]

    @property
    def status(self) -> Resource:
        """As a job controller reports it."""
        code = self.process.poll()
        if code is None:
            return {"active": 1}
        kind = "Complete" if code == 0 else "Failed"
        condition = {"type": kind, "status": "True", "lastTransitionTime": "2024-05-13T06:00:00Z"}
        return {"succeeded" if code == 0 else "failed": 1, "conditions": [condition]}

    @property
    def pod(self) -> Resource:
        """The job's pod."""
        name = self.sent["metadata"]["name"]
        code = self.process.poll()
        phase = "Running" if code is None else "Succeeded" if code == 0 else "Failed"
        return {
            "metadata": {"name": f"{name}-pod", "labels": {"job-name": name}},
            "spec": self.sent["spec"]["template"]["spec"],
            "status": {"phase": phase, "containerStatuses": []},
        }


@dataclass
class Cluster:
    """The API server's state. `environment` is what every job's process gets beside the variables that its container names."""

    environment: dict[str, str]
    jobs: dict[str, Job] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def start(self) -> ThreadingHTTPServer:
        """Listen on loopback."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    def create(self, job: Resource) -> Resource | None:
        """Take a job and run it; None where it would not be admitted."""
        # the client leaves out what the path already says
        sent = {"apiVersion": "batch/v1", "kind": "Job", **{k: v for k, v in job.items() if v is not None}}
        found = problems(sent) + unrestricted(sent["spec"]["template"]["spec"])
        if found:
            self.refused += found
            return None
        container = sent["spec"]["template"]["spec"]["containers"][0]
        variables = {e["name"]: e["value"] for e in container.get("env", []) if "value" in e}
        command = [*container.get("command", []), *container["args"]]
        process = subprocess.Popen(
            command,
            env={**variables, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.jobs[sent["metadata"]["name"]] = Job(sent, process)
        return sent

    def close(self) -> None:
        """Stop what still runs."""
        for job in self.jobs.values():
            if job.process.poll() is None:
                job.process.kill()
            job.process.wait()


def kubeconfig(port: int, folder: Path) -> Path:
    """A kubeconfig file that leads to the API on `port`."""
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "u", "user": {"token": "none"}}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    os.chmod(path, 0o600)
    return path


def _handler(cluster: Cluster) -> type[BaseHTTPRequestHandler]:
    class Api(BaseHTTPRequestHandler):
        def _answer(self, body: Resource, status: int = 200) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _job(self) -> str | None:
            match = re.match(r"/apis/batch/v1/namespaces/[^/]+/jobs/([^/?]+)", self.path)
            return match[1] if match else None

        def do_POST(self) -> None:
            sent = cluster.create(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            if sent is None:
                self._answer({"kind": "Status", "code": 422, "message": "; ".join(cluster.refused)}, 422)
            else:
                self._answer(sent, 201)

        def do_GET(self) -> None:
            name = self._job()
            if self.path.startswith("/version"):
                self._answer({"major": "1", "minor": "32", "gitVersion": "v1.32.0"})
            elif name and name in cluster.jobs:
                self._answer({**cluster.jobs[name].sent, "status": cluster.jobs[name].status})
            elif name:
                self._answer({"kind": "Status", "code": 404, "reason": "NotFound"}, 404)
            elif "/pods" in self.path:
                self._answer({"kind": "PodList", "items": [j.pod for j in cluster.jobs.values()]})
            else:
                self._answer({"kind": "List", "items": []})

        def do_DELETE(self) -> None:
            name = self._job()
            if name and name in cluster.jobs:
                cluster.deleted.append(name)
                cluster.jobs[name].process.kill()
            self._answer({"kind": "Status", "status": "Success"})

        def log_message(self, format: str, *args: object) -> None:
            """Tests are quiet."""

    return Api
