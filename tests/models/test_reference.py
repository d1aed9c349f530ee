"""Published checkpoints: what is read, and what is refused by name. The numbers themselves: test_network_golden.py."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vireid.models import TRIPLE_STREAMS
from vireid.models.reference import import_reference
from vireid.types import VireidError

GOLDEN = Path(__file__).parents[1] / "golden"


def state(kind: str, **shapes: list[int]) -> dict[str, Any]:
    """Tensors of a published checkpoint's names and shapes that take no room: each is one zero, seen many times."""
    keys = json.loads((GOLDEN / f"model_{kind}_keys.json").read_text())["keys"]
    return {key: torch.zeros(()).expand(shape) for key, shape in (keys | shapes).items()}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(content: Any, **options: Any) -> Path:
        torch.save(content, tmp_path / "published.t", **options)
        return tmp_path / "published.t"

    return write


def refusal(file: Path, kind: Any = "agw", **options: Any) -> str:
    with pytest.raises(VireidError) as caught:
        import_reference(file, kind, **options)
    return str(caught.value)


def test_caj_is_agw_with_three_streams_at_its_published_size(write):
    content = state("agw") | {"classifier.weight": torch.zeros(()).expand(395, 2048)}
    network, facts = import_reference(write({"net": content}), "caj")
    assert network.streams == TRIPLE_STREAMS
    assert network.image_size == (288, 144)
    assert network.head.classifier.out_features == 395
    assert (facts["recipe"], facts["dataset"], facts["trial"], facts["published"]) == ("caj", None, None, {})
    assert network.arguments["nonlocal_channels"] == 1


def test_a_slim_file_of_the_old_form_with_prefixes_fits(write):
    unused = re.compile(r"(visible|thermal)_module\.\w+\.layer|base_resnet\.base\.(conv1|bn1)|.*num_batches_tracked")
    content = {f"module.{key}": tensor for key, tensor in state("agw").items() if not unused.match(key)}
    file = write({"net": content, "epoch": 3}, _use_new_zipfile_serialization=False)
    network, facts = import_reference(file, "agw", image_size=(64, 32), dataset="regdb", trial=4)
    assert network.image_size == (64, 32)
    assert facts["dropped"] == []
    assert (facts["dataset"], facts["trial"]) == ("regdb", 4)
    assert not network.training


def test_numbers_beside_the_weights_are_kept_and_nothing_else(write):
    extra = {
        "cmc": np.array([0.5, 0.6, 0.7]),
        "mAP": np.float32(0.25),
        "acc": torch.tensor(7),
        "last_loss": torch.tensor(0.5, requires_grad=True),
        "rate": torch.tensor(0.25, dtype=torch.bfloat16),
        "epoch": 3,
        "note": "x",
        "done": True,
        "loss": float("nan"),
        "optimizer": {"state": {}, "lr": 0.1},
    }
    _, facts = import_reference(write({"net": state("agw")} | extra), "agw", image_size=(64, 32))
    assert facts["published"] == {
        "rank-1": 0.5,
        "mAP": 0.25,
        "acc": 7,
        "last_loss": 0.5,
        "rate": 0.25,
        "epoch": 3,
    }
    assert json.loads(json.dumps(facts)) == facts


def test_numbers_of_an_older_numpy_are_read(write):
    file = write({"net": state("agw"), "mAP": np.float64(0.25)}, _use_new_zipfile_serialization=False)
    content = file.read_bytes()
    older, newer = b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"
    assert (older in content) != (newer in content)
    for old, new in ((older, newer), (newer, older)):
        file.write_bytes(content.replace(old, new))
        assert import_reference(file, "agw", image_size=(64, 32))[1]["published"] == {"mAP": 0.25}


def test_what_is_missing_or_unexpected_is_named_as_in_the_file(write):
    content = state("agw")
    del content["bottleneck.running_mean"], content["NL_3.1.W.1.bias"]
    content["base_resnet.base.layer4.7.conv1.weight"] = content["visible_module.visible.layer9"] = torch.zeros(1)
    said = refusal(write({"net": content}), image_size=(64, 32))
    assert "lacks ['NL_3.1.W.1.bias', 'bottleneck.running_mean'] (2 in all)" in said
    unexpected = "['base_resnet.base.layer4.7.conv1.weight', 'visible_module.visible.layer9'] (2 in all)"
    assert f"has the unexpected {unexpected}; it is not the published network" in said


def test_another_shape_is_refused(write):
    file = write({"net": state("agw", **{"base_resnet.base.layer1.0.conv1.weight": [64, 32, 1, 1]})})
    assert "conv1.weight is (64, 32, 1, 1) in place of (64, 64, 1, 1)" in refusal(file, image_size=(64, 32))


@pytest.mark.parametrize(
    ("held", "said_to_be", "message"),
    [
        ("mscm", "agw", "is not a checkpoint of agw: by its tensors it is one of mscmnet; import it as that"),
        ("deen", "mscmnet", "is not a checkpoint of mscmnet: by its tensors it is one of deen"),
        ("agw", "deen", "is not a checkpoint of deen: by its tensors it is one of agw or caj"),
    ],
)
def test_a_wrong_kind_is_refused_with_the_right_one(write, held, said_to_be, message):
    assert message in refusal(write({"net": state(held)}), said_to_be)


def test_other_networks_and_kinds_are_refused(write):
    file = write({"net": {"fc.weight": torch.zeros(2)}})
    said = refusal(file, "caj")
    assert "nor of any other kind known here (mscmnet, agw, caj, deen); its tensors are named ['fc.weight']" in said
    assert "must be one of ('mscmnet', 'agw', 'caj', 'deen'), got 'cscl'" in refusal(file, "cscl")


def test_the_regdb_form_of_deen_is_refused(write):
    file = write({"net": state("deen", **{"bottleneck.weight": [1024]})})
    assert "DEEN's form for RegDB, which ends after stage 3 (1024 numbers)" in refusal(file, "deen")


def test_a_file_without_its_classifier_is_refused(write):
    content = state("agw")
    del content["classifier.weight"]
    assert "lacks classifier.weight, without which its network cannot be built" in refusal(write({"net": content}))


def test_nonlocal_blocks_of_two_minds_are_refused(write):
    file = write({"net": state("agw", **{"NL_2.0.theta.weight": [2, 512, 1, 1]})})
    assert "or the same number in every stage, but those of" in refusal(file)


@pytest.mark.parametrize(
    ("width", "size", "message"),
    [
        (288, (288, 144), "has 288 positions, but an image of 288 x 144 has 18 x 9 there"),
        (300, None, "has 300 positions, which are not twice as high as wide; say at which image size"),
    ],
)
def test_an_image_size_that_the_tokens_contradict_is_refused(write, width, size, message):
    file = write({"net": state("mscm", **{"layerATT0.ln_1.weight": [width]})})
    assert message in refusal(file, "mscmnet", image_size=size)


@pytest.mark.parametrize(("dataset", "trial"), [("regdb", None), ("regdb", 11), ("sysu", 1), (None, 1)])
def test_regdb_and_only_regdb_has_trials(tmp_path, dataset, trial):
    said = refusal(tmp_path / "nowhere.t", dataset=dataset, trial=trial)
    assert "belongs to one of its ten trials and is tested on no other" in said
    assert said.endswith(f"got dataset {dataset} and trial {trial}")


@pytest.mark.parametrize("content", [{"state": {}}, {"net": 3}, [1, 2], torch.zeros(2)])
def test_a_file_without_net_is_refused(write, content):
    assert re.search(r"holds its tensors under 'net', but .* holds (\['\w+'\]|list|Tensor)", refusal(write(content)))


def test_what_is_no_tensor_is_refused(write):
    assert "must hold tensors by name, but holds ['epoch (int)']" in refusal(write({"net": {"epoch": 3}}))
    assert "must hold tensors by name, but holds nothing" in refusal(write({"net": {}}))


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_refused_and_not_run(write, tmp_path, zipped):
    sprung = tmp_path / "sprung"
    file = write({"net": state("agw"), "args": Trap(sprung)}, _use_new_zipfile_serialization=zipped)
    torch.load(file, weights_only=False)
    assert sprung.is_dir()
    sprung.rmdir()
    said = refusal(file)
    assert re.search(r"holds \w+\.mkdir, which is code and not weights; it was not run", said)
    assert not sprung.exists()


def test_a_file_that_is_not_whole_is_refused(write, tmp_path):
    file = write({"net": state("agw")})
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:-1], whole[:100], b"", b"camera,person\n1,2\n", b"PK\x03\x04"):
        file.write_bytes(content)
        assert re.search(r"is not a whole file of torch.save \(\w+\); download it again", refusal(file))
    assert "there is no checkpoint file" in refusal(tmp_path / "nowhere.t")
    assert "there is no checkpoint file" in refusal(tmp_path)
