"""Who is let in: 401 and 403 with a sentence and a line in the log; what needs no token says nothing."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from serving import picture

from vireid.service.routes import guarded

GUARDED = [
    ("GET", "/metrics"),
    ("GET", "/api/me"),
    ("POST", "/api/search"),
    ("POST", "/api/sightings"),
    ("POST", "/api/delete"),
    ("GET", "/api/cameras"),
    ("GET", "/api/persons"),
    ("GET", "/api/tracks"),
    ("GET", f"/api/images/{'0' * 64}"),
    ("POST", "/api/explain"),
    ("GET", "/api/audit"),
    ("GET", "/api/no-such-thing"),
]


def test_every_route_is_named_here(served):
    described = served("GET", "/openapi.json", None).json()["paths"]
    named = {path.replace("0" * 64, "{key}") for _, path in GUARDED} | {"/health"}
    assert set(described) <= named


def test_nobody_is_401_and_in_the_log(fresh):
    for method, path in GUARDED:
        answer = fresh(method, path, None)
        assert answer.status_code == 401
        assert "needs a token that the service knows" in answer.json()["detail"]
        assert answer.headers["www-authenticate"] == "Bearer"
        entry = fresh.audit()[0]
        assert (entry["what"], entry["why"], entry["route"]) == ("log-in failed", "no token", path)
        assert entry["address"] == "testclient"


@pytest.mark.parametrize("prefix", ["/vireid", "/a/b", "/api"])
def test_nobody_is_let_in_below_a_prefix(fresh, prefix):
    below = TestClient(fresh.client.app, root_path=prefix)
    for method, path in GUARDED:
        answer = below.request(method, f"{prefix}{path}")
        assert answer.status_code == 401, path
        assert answer.headers["cache-control"] == "no-store"
        assert fresh.audit()[0]["what"] == "log-in failed"


@pytest.mark.parametrize("prefix", ["", "/vireid"])
def test_a_token_is_let_in_below_a_prefix_and_beside_it(fresh, prefix):
    below = TestClient(fresh.client.app, root_path="/vireid", headers={"Authorization": "Bearer reader-token"})
    assert below.get(f"{prefix}/api/cameras").json() == {"camera 0": 6, "camera 1": 6}
    assert below.get(f"{prefix}/api/cameras", headers={"Authorization": ""}).status_code == 401
    assert below.get("/vireidapi/cameras").status_code == 404


def test_routes_are_locked_without_the_gate():
    app = FastAPI()
    app.include_router(guarded)
    client = TestClient(app, headers={"Authorization": "Bearer admin-token"})
    for method, path in GUARDED[:-1]:
        answer = client.request(method, path, **({"json": {}} if path == "/api/delete" else {}))
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer wrong", "Basic admin-token", "admin-token", "Bearer admin-token x", "Bearer \xff"],
)
def test_another_token_is_401_and_never_in_the_log(served, header):
    answer = served("GET", "/api/me", None, headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    log = (served.folder / "audit.jsonl").read_text()
    assert "log-in failed" in log
    assert "wrong" not in log
    assert "admin-token" not in log


@pytest.mark.parametrize(
    ("role", "method", "path"),
    [
        ("reader", "POST", "/api/sightings"),
        ("reader", "POST", "/api/delete"),
        ("reader", "GET", "/api/audit"),
        ("operator", "GET", "/api/audit"),
    ],
)
def test_a_role_that_may_not_is_403_and_in_the_log(served, role, method, path):
    answer = served(method, path, role, **({"json": {}} if path == "/api/delete" else {}))
    assert answer.status_code == 403
    assert f"{role}-name is {role}; ask an admin" in answer.json()["detail"]
    entry = served.audit()[0]
    assert (entry["what"], entry["who"], entry["route"]) == ("denied", f"{role}-name", path)


def test_a_reader_may_search_and_an_operator_add(fresh):
    assert fresh.search(picture(100), role="reader").status_code == 200
    assert fresh.upload("/api/sightings", [picture(200)], "operator").status_code == 200


def test_guessing_does_not_fill_the_disk(fresh):
    statuses = [fresh("GET", "/api/me", "nobody").status_code for _ in range(30)]
    assert statuses == [401] * 20 + [429] * 10
    failed = [entry for entry in fresh.audit() if entry["what"] == "log-in failed"]
    assert len(failed) == 20
    assert failed[0]["last_logged_for_a_minute"] is True
    assert fresh("GET", "/api/me", "reader").status_code == 200  # who has a token is not held up


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json"])
def test_what_is_open_tells_nothing_of_the_gallery(served, path):
    answer = served("GET", path, None)
    assert answer.status_code == 200
    assert "camera 0" not in answer.text
    assert served.keys[0] not in answer.text


def test_answers_carry_what_keeps_a_browser_safe(served):
    for path in ("/health", "/docs", "/api/me", "/api/nothing", "/static/../app.py"):
        headers = served("GET", path, None).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "img-src 'self' blob: data:" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert served("GET", "/api/me").headers["cache-control"] == "no-store"


def test_the_reference_loads_nothing(served):
    text = served("GET", "/docs", None).text
    assert "POST /api/search" in text
    assert "<script" not in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize("path", ["/static/..%2fapp.py", "/static/%2e%2e/app.py", "/app.py", "/static/../../tokens.py"])
def test_no_other_file_is_handed_out(served, path):
    assert served("GET", path, None).status_code == 404
