"""schemathesis asks everything that the API describes, and much that it does not: never a 5xx."""

import contextlib
import threading
import time

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings, strategies
from schemathesis.checks import not_a_server_error
from serving import DIMENSION, MODEL, Thumbnails, fill, tokens

from vireid.retrieval import open_gallery
from vireid.service import AuditLog, Settings
from vireid.service.app import make_app

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    gallery = open_gallery(folder / "gallery", create=True, model=MODEL, dimension=DIMENSION)
    fill(gallery, folder / "crops")
    app = make_app(
        gallery,
        Thumbnails(),
        tokens=tokens(),
        audit=AuditLog(folder / "audit.jsonl"),
        settings=Settings(kept_images=folder / "images", images_root=folder / "crops"),
    )
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    with contextlib.ExitStack() as stack:
        stack.callback(thread.join)
        stack.callback(setattr, server, "should_exit", True)
        yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")


def ask_everything(described, examples, **options):
    """Cases of every route, without the plugin for pytest, which some of its versions cannot load."""
    asked = set()
    for found in described.get_all_operations():
        operation = found.ok()

        @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=QUIET, **options)
        @given(case=strategies.one_of(map(operation.as_strategy, schemathesis.GenerationMode)))
        def ask(case):
            response = case.call(headers={"Authorization": "Bearer admin-token"})
            if response.status_code == 501:  # evidence takes a network, and this service has none
                assert case.path == "/api/explain"
                return
            case.validate_response(response, checks=[not_a_server_error])
            if response.status_code >= 400:
                assert isinstance(response.json()["detail"], str)
            asked.add((case.method, case.path))

        ask()
    assert len(asked) >= 10


def test_nothing_that_can_be_asked_is_a_5xx(described):
    ask_everything(described, 10, derandomize=True)


@pytest.mark.slow
def test_nothing_that_can_be_asked_at_length_is_a_5xx(described):
    ask_everything(described, 300)
