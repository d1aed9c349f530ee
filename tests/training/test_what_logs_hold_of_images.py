"""What a training writes down beside its weights: numbers, and no image and no feature of anybody."""

from __future__ import annotations

import json

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def test_logs_of_a_training_hold_scalars_alone(tiny_run):
    for line in (tiny_run / "log.jsonl").read_text().splitlines():
        assert all(isinstance(value, int | float) for value in json.loads(line).values())
    events = EventAccumulator(str(tiny_run / "tensorboard"))
    tags = events.Reload().Tags()
    # TensorBoard's writer puts scalars down as tensors or scalars; either way one number a step.
    assert tags["scalars"] or tags["tensors"]
    for kind in ("images", "audio", "histograms", "distributions", "graph"):
        assert not tags[kind]
    for tag in tags["tensors"]:
        assert all(len(event.tensor_proto.float_val) <= 1 for event in events.Tensors(tag))
    config = json.loads((tiny_run / "config.json").read_text())
    assert not [word for word in json.dumps(config).split('"') if word.endswith((".jpg", ".png"))]
