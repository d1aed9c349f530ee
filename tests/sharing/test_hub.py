"""What is told to the Hub, and what a user is told when it refuses."""

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http

from vireid.sharing import from_pretrained, pull, push
from vireid.types import VireidError

TOKEN = "hf_standInTokenThatNobodyMayPrint"
NAME = "anna/day-and-night"
httpx = getattr(_http, "httpx2", None) or _http.httpx


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No waiting before a request is tried again."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)


@pytest.mark.parametrize("name", ["night", "a/b/c", "/night", "anna/", "anna/da y", "anna/..", "anna/-night", "a--b/c"])
def test_names_of_another_form_are_refused_before_anything_is_asked(hub, run, tmp_path, name):
    for ask in (lambda: push(run, name), lambda: pull(name, tmp_path / "back")):
        with pytest.raises(VireidError, match="a model on the Hub is named NAMESPACE/NAME"):
            ask()
    assert hub.requests == []


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            401,
            "no model anna/day-and-night on the Hub, or it is private|it does not know you: log in with hf auth login",
        ),
        (403, "the Hub answered 403 for anna/day-and-night: your token has no right to do this"),
        (409, "the Hub answered 409 .* somebody else changed it meanwhile"),
        (429, "the Hub answered 429 .* too many requests"),
        (500, "the Hub answered 500 .* try again later"),
        (
            httpx.ConnectError,
            r"the Hub could not be reached for anna/day-and-night \(ConnectError\); check the network",
        ),
        (httpx.ReadTimeout, r"could not be reached .* \(ReadTimeout\)"),
    ],
)
def test_a_refusal_says_what_to_do_and_never_the_token(hub, run, tmp_path, answer, message):
    hub.answer = answer

    def pushing():
        push(run, NAME)

    for ask in (pushing, lambda: pull(NAME, tmp_path / "back"), lambda: from_pretrained(NAME)):
        with pytest.raises(VireidError, match=message) as said:
            ask()
        assert TOKEN not in str(said.value)
        # What is sent cannot be read from a folder instead.
        assert ask is not pushing or "folder" not in str(said.value)
    assert not (tmp_path / "back").exists()


def test_a_model_that_is_not_there_and_a_revision(hub, run, tmp_path):
    with pytest.raises(VireidError, match="there is no model anna/day-and-night on the Hub, or it is private"):
        pull(NAME, tmp_path / "back")
    push(run, NAME)
    with pytest.raises(VireidError, match="anna/day-and-night has no such revision; name a branch, a tag or a commit"):
        pull(NAME, tmp_path / "back", revision="v9")


def test_without_a_token_nothing_private_is_seen_and_nothing_is_pushed(hub, run, tmp_path, monkeypatch):
    push(run, NAME)
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(VireidError, match="or it is private and you have no right to it; check the name, or log in"):
        pull(NAME, tmp_path / "back")
    with pytest.raises(VireidError, match="it does not know you: log in with hf auth login, or set HF_TOKEN"):
        push(run, "anna/other")
    with pytest.raises(VireidError, match="the Hub needs to know who you are"):
        push(run, "anna/other", token=True)
    assert set(hub.models) == {NAME}


def test_metadata_that_the_hub_does_not_take_are_named_before_anything_goes(hub, run):
    hub.refuse_card = '"license" must be one of apache-2.0, mit'
    with pytest.raises(
        VireidError, match=r'takes no card like this .*"license" must be one of .*mend the lines between'
    ):
        push(run, NAME, license="mine")
    assert hub.models[NAME] == [{}]


def test_nothing_is_told_beside_what_is_asked(hub, run, tmp_path):
    push(run, NAME)
    pull(NAME, tmp_path / "back")
    agents = {headers["user-agent"] for _, _, headers in hub.requests if "hf_hub" in headers["user-agent"]}
    assert agents
    assert not any("torch" in agent or "agent/" in agent for agent in agents)
    assert not [path for _, path, _ in hub.requests if "telemetry" in path or "harnesses" in path]
    assert constants.HF_HUB_DISABLE_TELEMETRY is False
