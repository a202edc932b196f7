"""Dagster by GraphQL: start, follow and cancel runs, read checks. Every run carries who started it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from resources.text.markdown import unescaped

DONE = {"SUCCESS", "FAILURE", "CANCELED"}
WORDS = {
    "NOT_STARTED": "waiting",
    "QUEUED": "queued",
    "STARTING": "starting",
    "STARTED": "running",
    "CANCELING": "being cancelled",
    "CANCELED": "cancelled",
    "SUCCESS": "done",
    "FAILURE": "failed",
}
USER_TAG = "console/user"
ASKED_TAG = "console/asked"
"""What the audit log and a run of the console know each other by."""


class DagsterError(RuntimeError):
    """Dagster cannot be reached, or refuses; the message says which."""


@dataclass(frozen=True)
class Run:
    """One run."""

    id: str
    job: str
    status: str
    """Dagster's own word, e.g. STARTED."""
    started: float | None
    ended: float | None
    user: str
    assets: tuple[str, ...] = ()
    """What it makes, where that was chosen for it: layer/name."""
    steps_done: int = 0
    steps: int = 0

    @property
    def word(self) -> str:
        """The state for people."""
        return WORDS.get(self.status, self.status.lower())

    @property
    def makes(self) -> tuple[str, list[str], int]:
        """Where no job was chosen, but tables: "load" or "make", the names of the first of them, and how many more there are; "" for a job."""
        if not self.job.startswith("__"):
            return "", [], 0
        names = sorted({asset.rpartition("/")[2] for asset in self.assets})
        loads = any(asset.startswith("raw/") for asset in self.assets)
        return "load" if loads else "make", names[:3], max(len(names) - 3, 0)


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed on the latest state of its asset."""

    asset: str
    check: str
    blocking: bool
    """Otherwise it warns: the table is used all the same."""
    said: str


class Client:
    """One Dagster webserver."""

    def __init__(self, url: str | None = None) -> None:
        self.url = (url or os.environ.get("PLATFORM_DAGSTER_URL", "http://127.0.0.1:3000")).rstrip("/")

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """The data of a GraphQL document. Raises DagsterError."""
        try:
            answer = requests.post(f"{self.url}/graphql", json={"query": text, "variables": variables}, timeout=20)
            answer.raise_for_status()
            body = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise DagsterError(
                f"Dagster cannot be reached at {self.url} ({type(error).__name__}): is it running? (make ui)"
            ) from error
        if body.get("errors"):
            raise DagsterError(body["errors"][0]["message"].splitlines()[0])
        return dict(body["data"])

    def jobs(self) -> list[str]:
        """Names of the jobs."""
        return sorted(j["name"] for j in self._repository()["jobs"] if not j["name"].startswith("__"))

    def launch(
        self,
        job: str,
        user: str,
        config: dict[str, Any] | None = None,
        assets: list[list[str]] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Start a run; its id. Raises DagsterError where Dagster refuses."""
        repository = self._repository()
        selector: dict[str, Any] = {
            "repositoryName": repository["name"],
            "repositoryLocationName": repository["location"]["name"],
            "jobName": job,
        }
        if assets:
            selector["assetSelection"] = [{"path": path} for path in assets]
        marks = [{"key": key, "value": value} for key, value in {USER_TAG: user, **(tags or {})}.items()]
        answer = self.query(
            "mutation($p: ExecutionParams!) { launchRun(executionParams: $p) { __typename"
            " ... on LaunchRunSuccess { run { runId } } ... on RunConfigValidationInvalid { errors { message } }"
            " ... on PipelineNotFoundError { message } ... on PythonError { message } ... on UnauthorizedError { message } } }",
            p={
                "selector": selector,
                "runConfigData": config or {},
                "executionMetadata": {"tags": marks},
            },
        )["launchRun"]
        if answer["__typename"] != "LaunchRunSuccess":
            reasons = answer.get("message") or "; ".join(e["message"] for e in answer.get("errors", []))
            raise DagsterError(f"Dagster did not start {job}: {reasons or answer['__typename']}")
        return str(answer["run"]["runId"])

    def run(self, run_id: str) -> Run:
        """One run as it is now."""
        found = self.query(
            f"query($id: ID!) {{ runOrError(runId: $id) {{ __typename ... on Run {{ {_RUN} }} }} }}", id=run_id
        )
        if found["runOrError"]["__typename"] != "Run":
            raise DagsterError(f"there is no run {run_id}")
        return _run(found["runOrError"])

    def runs(self, limit: int = 25) -> list[Run]:
        """The latest runs."""
        found = self.query(
            f"query($n: Int) {{ runsOrError(limit: $n) {{ ... on Runs {{ results {{ {_RUN} }} }} }} }}", n=limit
        )
        return [_run(r) for r in found["runsOrError"].get("results", [])]

    def unfinished(self, tag: str, value: str) -> Run | None:
        """The latest run with this tag, where it has not ended yet."""
        found = self.query(
            f"query($f: RunsFilter) {{ runsOrError(filter: $f, limit: 1) {{ ... on Runs {{ results {{ {_RUN} }} }} }} }}",
            f={"tags": [{"key": tag, "value": value}]},
        )
        runs = [_run(r) for r in found["runsOrError"].get("results", [])]
        return next((run for run in runs if run.status not in DONE), None)

    def log(self, run_id: str, cursor: str | None = None) -> tuple[list[tuple[str, str]], str | None]:
        """(level, line) of a run's log after `cursor`, and the next cursor. The failure card is among the lines."""
        found = self.query(
            "query($id: ID!, $c: String) { logsForRun(runId: $id, afterCursor: $c, limit: 500) { ... on EventConnection { cursor"
            " events { __typename ... on MessageEvent { message level }"
            " ... on ExecutionStepFailureEvent { error { message causes { message } } } } } } }",
            id=run_id,
            c=cursor,
        )["logsForRun"]
        lines = []
        for event in found.get("events", []):
            error = event.get("error") or {}
            reasons = [c["message"] for c in reversed(error.get("causes") or [])] or [error.get("message") or ""]
            text = "\n".join(filter(None, [event.get("message"), *reasons]))
            if text:
                lines.append((event.get("level") or "INFO", text))
        return lines, found.get("cursor")

    def cancel(self, run_id: str) -> None:
        """Ask a run to stop."""
        answer = self.query(
            "mutation($id: String!) { terminateRun(runId: $id) { __typename ... on TerminateRunFailure { message } } }",
            id=run_id,
        )["terminateRun"]
        if answer["__typename"] != "TerminateRunSuccess":
            raise DagsterError(answer.get("message") or answer["__typename"])

    def troubles(self) -> tuple[list[str], list[FailedCheck]]:
        """Assets that are stale, and checks that failed; those that block first."""
        nodes = self.query(
            "{ assetNodes { assetKey { path } staleStatus assetChecksOrError { ... on AssetChecks { checks { name"
            " executionForLatestMaterialization { evaluation { success severity description } } } } } } }"
        )["assetNodes"]
        stale: list[str] = []
        failed: list[FailedCheck] = []
        for node in nodes:
            name = "/".join(node["assetKey"]["path"])
            if node.get("staleStatus") == "STALE":
                stale.append(name)
            for check in (node.get("assetChecksOrError") or {}).get("checks", []):
                evaluation = (check.get("executionForLatestMaterialization") or {}).get("evaluation")
                if evaluation and not evaluation["success"]:
                    blocking = evaluation["severity"] == "ERROR"
                    failed.append(
                        FailedCheck(name, check["name"], blocking, unescaped(evaluation["description"] or ""))
                    )
        return sorted(stale), sorted(failed, key=lambda f: (not f.blocking, f.asset, f.check))

    def _repository(self) -> dict[str, Any]:
        found = self.query(
            "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } jobs { name } } } } }"
        )["repositoriesOrError"].get("nodes")
        if not found:
            raise DagsterError("Dagster has not loaded the platform: look at its page Deployment for the reason")
        return dict(found[0])


_RUN = "runId jobName status startTime endTime tags { key value } assetSelection { path } stepStats { status }"


def _run(found: dict[str, Any]) -> Run:
    tags = {t["key"]: t["value"] for t in found["tags"]}
    steps = found.get("stepStats") or []
    return Run(
        found["runId"],
        found["jobName"],
        found["status"],
        found["startTime"],
        found["endTime"],
        tags.get(
            USER_TAG, "schedule or sensor" if "dagster/schedule_name" in tags or "dagster/sensor_name" in tags else ""
        ),
        tuple("/".join(a["path"]) for a in found.get("assetSelection") or []),
        sum(s["status"] in ("SUCCESS", "FAILURE", "SKIPPED") for s in steps),
        len(steps),
    )
