"""The Hub as huggingface_hub meets it, inside the process: its own client talks to a transport that is no network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http

# The library that carries huggingface_hub's requests has changed its name.
httpx = getattr(_http, "httpx2", None) or _http.httpx

TOKEN = "hf_standInTokenThatNobodyMayPrint"


class StandInHub:
    """Models by name, each a list of commits (names to contents); the wire format is that of the real Hub.

    Attributes:
        models: public and private ones.
        private: names of the private ones; they are not there for whoever sends no token.
        requests: method, path and headers of every request.
        answer: when set, a status for every request; or an exception class of the client's library to raise.
        sizes: what listings say instead of the true sizes.
    """

    def __init__(self) -> None:
        self.models: dict[str, list[dict[str, bytes]]] = {}
        self.private: set[str] = set()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.answer: int | type[Exception] | None = None
        self.sizes: dict[str, int] = {}
        self.refuse_card = ""
        self._uploaded: dict[str, bytes] = {}

    def sha(self, name: str, number: int = -1) -> str:
        """The commit of a number."""
        commits = self.models[name]
        content = repr((number % len(commits), sorted(commits[number])))
        return hashlib.sha1(content.encode()).hexdigest()

    def fetched(self) -> list[str]:
        """Names of the files whose content was sent."""
        paths = [path for method, path, _ in self.requests if method == "GET" and "/resolve/" in path]
        return sorted(path.split("/resolve/")[1].split("/", 1)[1] for path in paths)

    def handle(self, request):
        path = request.url.path
        self.requests.append((request.method, path, dict(request.headers)))
        if isinstance(self.answer, type):
            raise self.answer("the network is down")
        if self.answer is not None:
            return httpx.Response(self.answer, json={"error": f"no, {TOKEN}"}, request=request)
        known = request.headers.get("authorization") == f"Bearer {TOKEN}"
        if path == "/api/validate-yaml":
            errors = [{"message": self.refuse_card}] if self.refuse_card else []
            return httpx.Response(400 if errors else 200, json={"errors": errors, "warnings": []})
        if path == "/api/repos/create":
            return self._create(json.loads(request.content), known)
        if path.startswith("/lfs/"):
            self._uploaded[path.removeprefix("/lfs/")] = request.content
            return httpx.Response(200)
        found = re.fullmatch(r"/(?:api/models/)?([^/]+/[^/]+?)(?:\.git)?(?:/(\w[\w-]*)/(.*))?", path)
        assert found, path
        name, verb, rest = found.groups()
        if name not in self.models or (name in self.private and not known):
            code = 404 if known else 401
            return httpx.Response(
                code, headers={"X-Error-Code": "RepoNotFound"}, json={"error": "Repository not found"}
            )
        if request.method in ("POST", "PUT") and not known:
            return httpx.Response(403, json={"error": "Forbidden"})
        return getattr(self, f"_{verb or 'revision'}")(name, rest or "main", request)

    def _create(self, wanted, known):
        if not known:
            return httpx.Response(401, json={"error": "Unauthorized"})
        name = f"{wanted['organization']}/{wanted['name']}"
        self.models[name] = [{}]
        if wanted.get("private") or wanted.get("visibility") == "private":
            self.private.add(name)
        return httpx.Response(200, json={"url": f"{constants.ENDPOINT}/{name}"})

    def _number(self, name, revision):
        shas = [self.sha(name, number) for number in range(len(self.models[name]))]
        return -1 if revision == "main" else shas.index(revision) if revision in shas else None

    def _entries(self, name, number):
        for path, content in sorted(self.models[name][number].items()):
            digest = hashlib.sha256(content).hexdigest()
            size = self.sizes.get(path, len(content))
            lfs = {"oid": digest, "sha256": digest, "size": size, "pointerSize": 134}
            yield path, size, hashlib.sha1(content).hexdigest(), {"lfs": lfs} if path.endswith(".safetensors") else {}

    def _revision(self, name, rest, request):
        number = self._number(name, rest)
        if number is None:
            return httpx.Response(404, headers={"X-Error-Code": "RevisionNotFound"}, json={"error": "Invalid rev id"})
        siblings = [
            {"rfilename": path, "size": size, "blobId": blob, **lfs}
            for path, size, blob, lfs in self._entries(name, number)
        ]
        document = {"id": name, "sha": self.sha(name, number), "private": name in self.private, "siblings": siblings}
        return httpx.Response(200, json=document)

    def _tree(self, name, rest, request):
        entries = self._entries(name, self._number(name, rest))
        files = [{"type": "file", "path": path, "size": size, "oid": blob, **lfs} for path, size, blob, lfs in entries]
        return httpx.Response(200, json=files)

    def _preupload(self, name, rest, request):
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(request.content)["files"]
        ]
        return httpx.Response(200, json={"files": files})

    def _info(self, name, rest, request):
        objects = [
            {**each, "actions": {"upload": {"href": f"{constants.ENDPOINT}/lfs/{each['oid']}"}}}
            for each in json.loads(request.content)["objects"]
        ]
        return httpx.Response(200, json={"transfer": "basic", "objects": objects})

    def _commit(self, name, rest, request):
        files = dict(self.models[name][-1])
        for line in request.content.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self._uploaded[value["oid"]]
            elif entry["key"] == "deletedFile":
                del files[value["path"]]
        self.models[name].append(files)
        sha = self.sha(name)
        return httpx.Response(200, json={"commitUrl": f"{constants.ENDPOINT}/{name}/commit/{sha}", "commitOid": sha})

    def _resolve(self, name, rest, request):
        revision, _, path = rest.partition("/")
        content = self.models[name][self._number(name, revision)][path]
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": revision,
            "Content-Length": str(len(content)),
        }
        if request.method == "HEAD":
            return httpx.Response(200, headers=headers)
        return httpx.Response(200, headers=headers, content=content)


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may reach for the network."""
    import socket

    def refuse(*arguments: object, **keywords: object) -> None:
        raise AssertionError(f"the network was asked for: {arguments}")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_sockets: None) -> Iterator[StandInHub]:
    """A stand-in that huggingface_hub's own client talks to, an empty cache, and a token in the usual place."""
    stand_in = StandInHub()
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", False)
    monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"), raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    def client():
        hooks = {"request": [_http.hf_request_event_hook]}
        return httpx.Client(
            transport=httpx.MockTransport(lambda request: stand_in.handle(request)),
            follow_redirects=True,
            event_hooks=hooks,
        )

    huggingface_hub.set_client_factory(client)
    yield stand_in
    huggingface_hub.set_client_factory(_http.default_client_factory)


@pytest.fixture
def run(tiny_run: Path, tmp_path: Path) -> Path:
    """A copy of the tiny run, without results and card."""
    copy = tmp_path / "run"
    shutil.copytree(tiny_run, copy)
    shutil.rmtree(copy / "results", ignore_errors=True)
    (copy / "README.md").unlink(missing_ok=True)
    return copy
