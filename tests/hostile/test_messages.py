"""A message is one line of printable text, whatever stood in the file that it quotes."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from vireid.data.faults import FaultError
from vireid.types import VireidError

any_text = st.text(st.characters(), max_size=50)


@given(any_text)
def test_a_message_is_one_printable_line(text):
    message = str(VireidError(text))
    assert len(message.splitlines()) <= 1
    assert not any(ord(sign) < 32 or 0x7F <= ord(sign) <= 0x9F for sign in message)
    message.encode()  # no half of a surrogate pair, which no terminal and no file takes


@given(any_text)
def test_names_in_a_fault_are_printable_too(text):
    message = str(FaultError("images must be whole", where=[text], what_to_do="copy them"))
    assert message.splitlines() == [message]
    assert message.startswith("images must be whole")
    message.encode()


def test_colours_of_a_terminal_are_shown_and_not_obeyed():
    assert str(VireidError("no 'a\x1b[31m\nb'; mend\u2028it")) == r"no 'a\x1b[31m\nb'; mend\u2028it"


def test_a_long_message_keeps_both_ends():
    message = str(VireidError("begin " + "x" * 1_000_000 + " end"))
    assert len(message) < 4010
    assert message.startswith("begin ")
    assert message.endswith(" end")
    assert " [..] " in message


def test_a_message_stays_the_same_on_its_way_between_processes():
    error = VireidError("no 'a\\n\nb'")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
