"""Reading ahead: the order asked for, and errors as they were raised, with and without other processes."""

import pytest
from torch.utils.data import Dataset

from vireid.data import FaultError
from vireid.data.load_ahead import load_ahead
from vireid.types import VireidError


class Squares(Dataset):
    def __getitem__(self, key):
        if key == 13:
            raise FaultError("13 is not read", where=["13.jpg"], what_to_do="leave it out")
        if key == 14:
            raise ZeroDivisionError
        return key * key


@pytest.mark.parametrize("workers", [0, 1])
def test_items_come_in_the_order_of_their_keys(workers):
    assert list(load_ahead(Squares(), [3, 1, 2, 1], workers=workers)) == [9, 1, 4, 1]


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_for_the_user_keeps_its_words(workers):
    items = load_ahead(Squares(), [2, 13, 3], workers=workers)
    assert next(items) == 4
    with pytest.raises(VireidError) as caught:
        next(items)
    assert str(caught.value) == "13 is not read (13.jpg); leave it out"


@pytest.mark.parametrize("workers", [0, 1])
def test_any_other_error_is_not_swallowed(workers):
    with pytest.raises(ZeroDivisionError):
        list(load_ahead(Squares(), [14], workers=workers))
