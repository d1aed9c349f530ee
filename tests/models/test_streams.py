import pytest

from vireid.models import DUAL_STREAMS, QUADRUPLE_STREAMS, Stream
from vireid.models.streams import stems_of
from vireid.types import Modality, VireidError


def test_quadruple_streams_are_stacked_as_the_losses_expect():
    assert [stream.view for stream in QUADRUPLE_STREAMS] == [
        "visible_global",
        "visible_channel",
        "infrared_global",
        "infrared_channel",
    ]
    assert stems_of(DUAL_STREAMS, Modality.VISIBLE) == ("visible",)


def test_a_shared_stem_is_named_once():
    streams = [Stream(Modality.VISIBLE, view, "one") for view in ("a", "b")]
    assert stems_of(streams, Modality.VISIBLE) == ("one",)


def test_a_modality_without_a_stream_is_refused():
    message = "every modality needs a stream, but none of 2 sees infrared images"
    with pytest.raises(VireidError, match=message):
        stems_of(QUADRUPLE_STREAMS[:2], Modality.INFRARED)
