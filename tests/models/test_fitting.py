import torch
from torch import nn

from vireid.models.fitting import fit_weights


def test_what_fits_is_loaded():
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    assert fit_weights(target, source.state_dict()) == ""
    assert torch.equal(target.weight, source.weight)


def test_what_does_not_fit_is_named_and_nothing_is_loaded():
    target = nn.Linear(3, 2)
    before = target.weight.clone()
    said = fit_weights(target, {"weight": torch.zeros(2, 3), "bias": torch.zeros(4), "scale": torch.zeros(1)})
    assert said == "unexpected ['scale'] (1 in all), bias is (4,) in place of (2,)"
    assert torch.equal(target.weight, before)
    assert fit_weights(target, {"weight": torch.zeros(2, 3), "bias": 7}) == "bias is int, not a tensor"


def test_a_file_without_batch_counters_fits():
    norm = nn.BatchNorm1d(2)
    state = {name: tensor for name, tensor in norm.state_dict().items() if name != "num_batches_tracked"}
    assert fit_weights(norm, state) == ""


def test_long_lists_are_cut():
    said = fit_weights(nn.Sequential(*(nn.Linear(2, 2) for _ in range(5))), {str(n): 0 for n in range(9)})
    assert said.count("(10 in all)") == 1
    assert said.count("(9 in all)") == 1
    assert "'4.bias'" not in said
    wrong = {name: torch.zeros(1) for name in nn.Sequential(*(nn.Linear(2, 2) for _ in range(5))).state_dict()}
    assert fit_weights(nn.Sequential(*(nn.Linear(2, 2) for _ in range(5))), wrong).endswith("and 5 more")
