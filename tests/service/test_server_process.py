"""The real server in a process of its own: killed, stopped, started twice."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
from serving import key_of, picture

from vireid.cli.main import main
from vireid.retrieval import open_gallery
from vireid.service import Role, add_token

BEGAN = re.compile(r"serving gallery .* on (http://\S+)")


@contextlib.contextmanager
def server(*arguments):
    """A server that has said where it is."""
    command = [sys.executable, "-m", "vireid", "serve", "--port", "0", "--accelerator", "cpu", *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if found := BEGAN.search(line):
                break
        else:
            raise AssertionError("".join(lines))
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, found[1]
    finally:
        process.kill()
        process.wait()


def test_a_killed_server_loses_nothing_it_acknowledged(tmp_path, tiny_run, capsys):
    gallery, tokens = tmp_path / "gallery", tmp_path / "tokens.json"
    token = add_token(tokens, "anna", Role.ADMIN)
    headers = {"Authorization": f"Bearer {token}"}
    arguments = ["--gallery", gallery, "--checkpoint", tiny_run, "--tokens", tokens]
    acknowledged: list[str] = []

    with server(*arguments, "--create") as (process, url), httpx.Client(base_url=url, headers=headers) as client:
        # The address is announced when it can be asked.
        assert client.get("/health").status_code == 200
        capsys.readouterr()
        assert main(["serve", *map(str, arguments), "--port", "0"]) == 2
        assert "is open already, in this process or another" in capsys.readouterr().err

        def add(first):
            with contextlib.suppress(httpx.HTTPError):
                for seed in range(first, first + 1000):
                    content = picture(seed)
                    answer = client.post("/api/sightings", files={"images": ("a.png", content)}, data={"camera": "c"})
                    assert answer.json()["added"] == 1
                    acknowledged.append(key_of(content))

        adding = [threading.Thread(target=add, args=(number * 1000,)) for number in range(3)]
        for thread in adding:
            thread.start()
        until = time.monotonic() + 30
        while len(acknowledged) < 25 and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        for thread in adding:
            thread.join()
    assert len(acknowledged) >= 25

    with server(*arguments) as (process, url), httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        count = client.get("/api/cameras").json()["c"]
        assert len(acknowledged) <= count <= len(acknowledged) + 3
        for key in acknowledged:
            assert key_of(client.get(f"/api/images/{key}").content) == key
        told = {key for entry in entries(gallery) if entry["what"] == "add" for key in entry["keys"]}
        assert set(acknowledged) <= told

        # Asked to stop while it works: the answer comes, then it ends well.
        answers = []
        files = [("images", (f"{seed}.png", picture(seed, size=(900, 1800)))) for seed in range(5000, 5008)]

        def ask():
            answers.append(client.post("/api/search", files=files, data={"wanted": "any"}))

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.15)
        process.send_signal(signal.SIGTERM)
        asking.join()
        assert process.wait(20) == 0
        assert [answer.status_code for answer in answers] == [200]
        assert entries(gallery)[-1]["what"] == "search"
    with open_gallery(gallery) as opened:
        assert opened.count() == count


def entries(gallery):
    return [json.loads(line) for line in (gallery / "audit.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "other machines reach 0.0.0.0, so a service there needs a token file"),
        (["--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
        (["--port", "99999"], "a port is a number from 0 to 65535"),
        (["--tokens", "none.json"], "there is no token file none.json"),
        (["--images", "no-such-folder", "--create"], "root of the images must be a folder"),
        (["--max-upload", "0"], "--max-upload is more than 0"),
        (["--keep-days", "0"], "more than 0 and at most 36500 days"),
        ([], "there is no gallery in"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(tmp_path, tiny_run, capsys, arguments, message):
    capsys.readouterr()
    common = ["--gallery", tmp_path / "gallery", "--checkpoint", tiny_run, "--port", "0", "--accelerator", "cpu"]
    assert main(["serve", *map(str, common), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken_is_said(tmp_path, tiny_run, capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        arguments = ["--gallery", tmp_path, "--checkpoint", tiny_run, "--port", taken.getsockname()[1]]
        assert main(["serve", *map(str, arguments), "--accelerator", "cpu"]) == 2
    assert "Address already in use; take another port" in capsys.readouterr().err


def test_another_models_gallery_is_refused(tmp_path, tiny_run, capsys):
    open_gallery(tmp_path / "gallery", create=True, model="another", dimension=32).close()
    arguments = ["--gallery", tmp_path / "gallery", "--checkpoint", tiny_run, "--port", "0", "--accelerator", "cpu"]
    assert main(["serve", *map(str, arguments)]) == 2
    assert "another" in capsys.readouterr().err


@pytest.mark.parametrize("forget", [False, True])
def test_who_forgets_images_still_knows_where_those_of_earlier_are(tmp_path, monkeypatch, forget):
    from vireid.service import server

    given = []
    monkeypatch.setattr(server, "serve", lambda *arguments, **options: given.append(options["settings"]))
    arguments = ["--gallery", tmp_path, "--checkpoint", tmp_path, "--accelerator", "cpu"]
    assert main(["serve", *map(str, arguments), *["--forget-images"] * forget]) == 0
    assert (given[0].kept_images, given[0].keep_uploads) == (tmp_path / "images", not forget)


def test_a_missing_extra_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "vireid.service.server", raising=False)
    assert main(["serve", "--gallery", str(tmp_path), "--checkpoint", str(tmp_path)]) == 2
    assert "pip install '.[service]'" in capsys.readouterr().err


def test_a_token_is_printed_once(tmp_path, capsys):
    file = tmp_path / "tokens.json"
    capsys.readouterr()
    assert main(["token", "anna", "--role", "operator", "--tokens", str(file)]) == 0
    said = capsys.readouterr()
    token = said.out.strip()
    assert len(token) >= 43
    assert token not in said.err + file.read_text()
    assert json.loads(file.read_text())["tokens"][0]["role"] == "operator"
