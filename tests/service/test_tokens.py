"""Who may do what: token files, and callers by their tokens."""

import hashlib
import json

import pytest

from vireid.service import Caller, Role, Tokens, add_token
from vireid.types import VireidError


def test_a_token_is_found_by_its_hash_and_kept_nowhere(tmp_path):
    file = tmp_path / "tokens.json"
    anna = add_token(file, "anna", Role.OPERATOR)
    ben = add_token(file, "ben", Role.READER)
    tokens = Tokens.load(file)
    assert tokens.caller(anna) == Caller("anna", Role.OPERATOR)
    assert tokens.caller(ben) == Caller("ben", Role.READER)
    assert tokens.caller(anna[:-1]) is None
    assert tokens.caller("") is None
    assert tokens.caller("\ud800") is None
    assert anna not in file.read_text()
    assert hashlib.sha256(anna.encode()).hexdigest() in file.read_text()
    assert len(anna) >= 43  # 256 bits


def test_roles_hold_what_the_ones_before_may():
    assert [[role.allows(needed) for needed in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


@pytest.mark.parametrize("name", ["", "a b", "a\n", "a" * 101, "\x00"])
def test_a_name_that_would_confuse_the_log_is_refused(tmp_path, name):
    with pytest.raises(VireidError, match="1 to 100 letters without spaces"):
        add_token(tmp_path / "tokens.json", name, Role.READER)
    assert not (tmp_path / "tokens.json").exists()


def test_a_name_has_one_token(tmp_path):
    add_token(tmp_path / "tokens.json", "anna", Role.READER)
    with pytest.raises(VireidError, match="has a token of 'anna' already; remove its entry"):
        add_token(tmp_path / "tokens.json", "anna", Role.ADMIN)


GOOD = {"name": "anna", "role": "admin", "sha256": "0" * 64}


@pytest.mark.parametrize(
    "entries",
    [
        [GOOD | {"sha256": "0" * 63}],
        [GOOD | {"sha256": "0" * 63 + "G"}],
        [GOOD | {"sha256": 5}],
        [GOOD | {"role": "root"}],
        [GOOD | {"name": ""}],
        [GOOD | {"token": "secret"}],
        [{"name": "anna"}],
        [GOOD, GOOD],
        [5],
        "anna",
        None,
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, entries):
    file = tmp_path / "tokens.json"
    file.write_text(json.dumps({"tokens": entries}))
    with pytest.raises(VireidError, match=r"a token file is JSON.*tokens.json is not"):
        Tokens.load(file)


@pytest.mark.parametrize("text", ["", "[]", "{", "{}", "\udcff"])
def test_what_is_no_such_json_is_refused(tmp_path, text):
    file = tmp_path / "tokens.json"
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(VireidError, match=r"a token file is JSON.*tokens.json is not"):
        Tokens.load(file)


def test_no_tokens_let_nobody_in_and_are_refused(tmp_path):
    (tmp_path / "tokens.json").write_text('{"tokens": []}')
    with pytest.raises(VireidError, match="needs at least one token; make one with `vireid token"):
        Tokens.load(tmp_path / "tokens.json")
    with pytest.raises(VireidError, match="there is no token file"):
        Tokens.load(tmp_path / "other.json")
