"""A stand-in for Google's interfaces: every request, and its own answers, are judged by the discovery documents that Google ships in its
client, and who asks must have signed in as a service account does. There is no such server to be had for tests."""

from __future__ import annotations

import json
import re
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import googleapiclient

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
Answer = Callable[[Mapping[str, str], Any], Any]
"""(parts of the path, body) -> the answer. Raises Refused."""


class Refused(Exception):
    """Google's form of an error."""

    def __init__(self, code: int, reason: str, message: str = "") -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


class Interface:
    """One of Google's interfaces by its document, e.g. ``searchconsole.v1``."""

    def __init__(self, name: str) -> None:
        self.document = json.loads((DOCUMENTS / f"{name}.json").read_text())
        self.methods = list(self._methods(self.document))
        self.answers: dict[str, Answer] = {}
        self.seen: list[Any] = []

    def _methods(self, resource: Any) -> Iterator[Any]:
        yield from resource.get("methods", {}).values()
        for each in resource.get("resources", {}).values():
            yield from self._methods(each)

    def answer(self, verb: str, target: str, body: bytes) -> Any:
        """What is answered; None where this interface has no such method. Raises Refused where the document does not allow the request."""
        path, _, text = target.partition("?")
        query = urllib.parse.parse_qs(text)
        for method in self.methods:
            flat = method.get("flatPath", method["path"])
            pattern = "".join(
                "([^/:]+)" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", flat)
            )
            found = re.fullmatch("/" + pattern, path)
            if method["httpMethod"] == verb and found:
                names = re.findall(r"\{(\w+)\}", flat)
                parts = {n: urllib.parse.unquote(v) for n, v in zip(names, found.groups(), strict=True)}
                sent = json.loads(body) if body else query
                self.seen.append((parts, sent))
                if "request" in method:
                    self._judge(method["request"], sent, "body")
                self._judge_query(method["parameters"], query)
                result = self.answers[method["id"]](parts, sent)
                self._judge(method["response"], result, "the stand-in's own answer")
                return result
        return None

    def _judge_query(self, known: Any, query: Mapping[str, list[str]]) -> None:
        for name, values in query.items():
            if known.get(name, {}).get("location") != "query" or (len(values) > 1 and not known[name].get("repeated")):
                raise Refused(400, "badRequest", f"unknown or repeated parameter {name}")
            for value in values:
                self._judge(known[name], int(value) if known[name]["type"] == "integer" else value, name)
        missing = [n for n, p in known.items() if p.get("required") and p["location"] == "query" and n not in query]
        if missing:
            raise Refused(400, "badRequest", f"{missing[0]} is missing")

    def _judge(self, schema: Any, value: Any, where: str) -> None:
        schema = self.document["schemas"][schema["$ref"]] if "$ref" in schema else schema
        kind = schema.get("type")
        right = {
            "object": isinstance(value, dict),
            "array": isinstance(value, list),
            "string": isinstance(value, str),
            "integer": isinstance(value, int) and not isinstance(value, bool),
            "number": isinstance(value, int | float) and not isinstance(value, bool),
            "boolean": isinstance(value, bool),
        }[kind]
        if not right:
            raise Refused(400, "badRequest", f"{where}: no {kind}")
        if kind == "array":
            for each in value:
                self._judge(schema["items"], each, where)
        elif kind == "object":
            for name, each in value.items():
                inner = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
                if inner is None:
                    raise Refused(400, "badRequest", f"{where}: unknown name {name}")
                self._judge(inner, each, f"{where}.{name}")
        elif "enum" in schema and value.upper() not in [e.upper().replace("_", "") for e in schema["enum"]] + [
            e.upper() for e in schema["enum"]
        ]:
            raise Refused(400, "badRequest", f"{where}: {value} is none of the enum")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    interfaces: Sequence[Interface]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/token":
            return self._send(200, {"access_token": "token-1", "expires_in": 3600, "token_type": "Bearer"})
        try:
            if self.headers.get("Authorization") != "Bearer token-1":
                raise Refused(401, "authError")
            for interface in self.server.interfaces:
                found = interface.answer(self.command, self.path, body)
                if found is not None:
                    return self._send(200, found)
            raise Refused(404, "notFound", "no such method")
        except Refused as error:
            errors = [{"reason": error.reason, "message": error.message}]
            return self._send(error.code, {"error": {"code": error.code, "message": error.message, "errors": errors}})

    do_GET = do_POST

    def _send(self, code: int, document: Any) -> None:
        data = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def google(interfaces: Sequence[Interface]) -> Iterator[str]:
    """The address of a stand-in that answers for `interfaces`."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.interfaces = interfaces
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def service_account(address: str) -> str:
    """The JSON of a service account that signs in at the stand-in."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "reader@example.iam",
            "private_key": text,
            "token_uri": f"{address}/token",
        }
    )
