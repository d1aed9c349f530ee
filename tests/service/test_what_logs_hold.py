"""Logs say who did what to which key, and hold no token, no pixel and no feature."""

from __future__ import annotations

import base64
import json
import logging

from serving import key_of, picture


def test_no_log_holds_a_token_an_image_or_a_feature(fresh, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    asked, added = picture(3, infrared=True), picture(900)
    guessed = "a-token-that-nobody-may-print-0123456789"
    assert fresh.search(asked).status_code == 200
    assert fresh.upload("/api/sightings", [added], camera="yard").status_code == 200
    fresh.search(asked[:200])
    fresh("GET", f"/api/cameras?token={guessed}", role=None, headers={"Authorization": f"Bearer {guessed}"})
    said = capfd.readouterr()
    log = (fresh.folder / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert len(lines) >= 3
    # The client of this test says its address itself.
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("http")]
    whole = log + said.out + said.err + "\n".join(ours)
    assert key_of(added) in log
    for token in (guessed, "reader-token", "operator-token"):
        assert token not in whole
        assert key_of(token.encode()) not in whole
    for image in (asked, added):
        part = image[40:64]
        for written in (base64.b64encode(image[39:63]).decode(), part.hex(), repr(part)[2:-1]):
            assert written not in whole
    assert not holds_vector(lines)


def holds_vector(value) -> bool:
    """Whether a list of several numbers that are no whole ones stands anywhere."""
    if isinstance(value, dict):
        return any(map(holds_vector, value.values()))
    if isinstance(value, list):
        return sum(isinstance(each, float) for each in value) > 3 or any(map(holds_vector, value))
    return False
