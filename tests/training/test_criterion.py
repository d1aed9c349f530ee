import pytest
import torch

from vireid.losses import (
    batch_hard_triplet_loss,
    center_guided_pair_loss,
    center_loss,
    center_triplet_loss,
    division_loss,
    identity_center_mining_loss,
    identity_loss,
    marginal_exponential_center_loss,
    orthogonality_loss,
    parsing_loss,
    quadruple_center_loss,
    squared_difference_triplet_loss,
    weighted_regularized_triplet_loss,
)
from vireid.models import DUAL_STREAMS, TRIPLE_STREAMS, NetworkOutput, Stream
from vireid.training import Targets, make_criterion
from vireid.types import Modality, VireidError


@pytest.fixture
def output() -> NetworkOutput:
    torch.manual_seed(0)
    return NetworkOutput(torch.randn(16, 6), torch.randn(16, 2), extras={})


LABELS = torch.tensor([0, 0, 1, 1] * 4)
INFRARED = torch.arange(16) >= 8

METRICS = {
    "quadruple-center": lambda features: quadruple_center_loss(
        features, LABELS, variant="released", margin=0.4, alpha=0.2
    ),
    "weighted-triplet": lambda features: weighted_regularized_triplet_loss(features, LABELS),
    "batch-hard": lambda features: batch_hard_triplet_loss(features, LABELS, 0.4),
    "center-triplet": lambda features: center_triplet_loss(features, LABELS, 0.4),
    "center": lambda features: center_loss(features, LABELS),
    "squared-difference": lambda features: squared_difference_triplet_loss(features, LABELS),
    "marginal-exponential-center": lambda features: marginal_exponential_center_loss(
        features, LABELS, INFRARED, margin=0.4
    ),
}


@pytest.mark.parametrize("metric", list(METRICS))
def test_terms_are_the_weighted_losses(metric, output):
    criterion = make_criterion(
        metric=metric, variant="released", margin=0.4, alpha=0.2, identity_weight=0.5, metric_weight=3.0
    )
    terms = criterion(output, Targets(LABELS))
    assert list(terms) == ["identity", metric.replace("-", "_")]
    first, second = terms.values()
    torch.testing.assert_close(first, 0.5 * identity_loss(output.logits, LABELS))
    torch.testing.assert_close(second, 3.0 * METRICS[metric](output.features))
    assert second > 0


def test_the_default_is_equation_17(output):
    terms = make_criterion()(output, Targets(LABELS))
    torch.testing.assert_close(terms["identity"], identity_loss(output.logits, LABELS))
    expected = quadruple_center_loss(output.features, LABELS, variant="paper", margin=0.7, alpha=0.05)
    torch.testing.assert_close(terms["quadruple_center"], expected)


def test_none_trains_on_identities_alone(output):
    assert list(make_criterion(metric="none")(output, Targets(LABELS))) == ["identity"]


@pytest.mark.parametrize(
    "weights",
    [
        {"identity_weight": -1.0},
        {"metric_weight": -0.1},
        {"metric": "none", "identity_weight": 0.0},
        {"identity_weight": 0.0, "metric_weight": 0.0},
    ],
)
def test_nothing_to_train_on_is_refused(weights):
    with pytest.raises(VireidError, match="a loss needs weights of at least 0 and one of them above 0, got identity_w"):
        make_criterion(**weights)


def rows_of(stream: int) -> slice:
    return slice(4 * stream, 4 * stream + 4)


@pytest.mark.parametrize(
    ("streams", "standing_in"), [(DUAL_STREAMS, [0, 0, 1, 1]), (TRIPLE_STREAMS, [0, 1, 2, 2])], ids=["dual", "triple"]
)
def test_a_modality_of_one_stream_stands_for_both_in_the_quadruple_center_loss(output, streams, standing_in):
    rows = 4 * len(streams)
    features = output.features[:rows]
    given = NetworkOutput(features, output.logits[:rows], extras={})
    terms = make_criterion(streams=streams)(given, Targets(LABELS[:rows]))
    four = torch.cat([features[rows_of(stream)] for stream in standing_in])
    torch.testing.assert_close(terms["quadruple_center"], quadruple_center_loss(four, LABELS, variant="paper"))


def test_streams_in_another_order_are_sorted_for_the_quadruple_center_loss(output):
    visible, infrared = (Stream(modality, "any", modality.value) for modality in Modality)
    terms = make_criterion(streams=(infrared, visible))(
        NetworkOutput(output.features[:8], output.logits[:8], {}), Targets(LABELS[:8])
    )
    four = torch.cat([output.features[rows_of(stream)] for stream in (1, 1, 0, 0)])
    torch.testing.assert_close(terms["quadruple_center"], quadruple_center_loss(four, LABELS, variant="paper"))


def test_three_streams_of_a_modality_are_refused():
    streams = (*TRIPLE_STREAMS, Stream(Modality.VISIBLE, "more", "visible"))
    with pytest.raises(VireidError, match="takes one or two streams a modality, but 3 are visible"):
        make_criterion(streams=streams)


def expanded() -> NetworkOutput:
    """Dual streams of four rows, three feature sets."""
    torch.manual_seed(1)
    return NetworkOutput(torch.randn(24, 6), torch.randn(24, 2), extras={})


def test_the_losses_of_deen_see_the_sets_that_they_are_about():
    output, labels, infrared = expanded(), LABELS[:8], torch.arange(8) >= 4
    criterion = make_criterion(
        streams=DUAL_STREAMS, metric="batch-hard", margin=0.3, center_guided_weight=0.8, orthogonality_weight=0.01
    )
    terms = criterion(output, Targets(labels))
    original, first, second = output.features.chunk(3)
    torch.testing.assert_close(terms["identity"], identity_loss(output.logits, labels.repeat(3)))
    torch.testing.assert_close(terms["batch_hard"], batch_hard_triplet_loss(output.features, labels.repeat(3), 0.3))
    pairs = [center_guided_pair_loss(original, branch, labels, infrared) for branch in (first, second)]
    torch.testing.assert_close(terms["center_guided_pair"], 0.8 * (pairs[0] + pairs[1]))
    torch.testing.assert_close(terms["orthogonality"], 0.01 * orthogonality_loss(torch.stack([first, second])))


def test_feature_sets_are_further_images_to_the_quadruple_center_loss():
    output, labels = expanded(), LABELS[:8]
    terms = make_criterion(streams=DUAL_STREAMS)(output, Targets(labels))
    sets = [each.chunk(2) for each in output.features.chunk(3)]
    visible, infrared = (torch.cat([each[side] for each in sets]) for side in (0, 1))
    expected = quadruple_center_loss(
        torch.cat([visible, visible, infrared, infrared]), labels[:4].repeat(12), variant="paper"
    )
    torch.testing.assert_close(terms["quadruple_center"], expected)


def test_the_losses_of_cscl_see_the_parts(output):
    torch.manual_seed(2)
    extras = {
        "part_features": torch.randn(3, 16, 5),
        "part_logits": torch.randn(3, 16, 2),
        "part_maps": torch.randn(16, 4, 3, 2),
        "part_maps_2": torch.randn(16, 4, 6, 4),
    }
    given = torch.randint(0, 4, (16, 12, 8)).to(torch.uint8)
    criterion = make_criterion(
        metric="none",
        margin=0.4,
        part_identity_weight=0.5,
        parsing_weight=2.0,
        division_weight=3.0,
        center_mining_weight=4.0,
    )
    terms = criterion(output._replace(extras=extras), Targets(LABELS, given))
    parts = torch.stack([identity_loss(logits, LABELS) for logits in extras["part_logits"]]).mean()
    torch.testing.assert_close(terms["part_identity"], 0.5 * parts)
    parsed = (parsing_loss(extras["part_maps"], given) + parsing_loss(extras["part_maps_2"], given)) / 2
    torch.testing.assert_close(terms["parsing"], 2 * parsed)
    torch.testing.assert_close(terms["division"], 3 * division_loss(extras["part_features"]))
    mined = identity_center_mining_loss(output.features, LABELS, INFRARED, margin=0.4)
    torch.testing.assert_close(terms["center_mining"], 4 * mined)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"center_guided_weight": 1.0}, "need a network with a diverse embedding expansion, but this one has none"),
        ({"orthogonality_weight": 1.0}, "need a network with a diverse embedding expansion, but this one has none"),
        ({"parsing_weight": 1.0}, "needs a network that predicts part maps; set its parts"),
        ({"division_weight": 1.0}, "keeps parts apart, but this network has none"),
    ],
)
def test_a_loss_without_what_it_is_about_is_refused(output, weights, said):
    with pytest.raises(VireidError, match=said):
        make_criterion(**weights)(output, Targets(LABELS))


def test_a_parsing_loss_without_given_maps_is_refused(output):
    predicted = output._replace(extras={"part_maps": torch.randn(16, 4, 3, 2)})
    with pytest.raises(VireidError, match="needs given part maps; train with a folder of them, or set its weight to 0"):
        make_criterion(parsing_weight=1.0)(predicted, Targets(LABELS))
