import pickle

from vireid.data import FaultError


def test_message_names_the_first_five_places_and_counts_the_rest() -> None:
    error = FaultError("rule broken", where=[str(number) for number in range(8)], what_to_do="mend it")
    assert str(error) == "rule broken (0, 1, 2, 3, 4 and 3 more); mend it"
    assert error.fault.count == 8


def test_a_fault_survives_the_way_out_of_another_process() -> None:
    error = FaultError("rule broken", where=[str(number) for number in range(8)], what_to_do="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.fault == error.fault
