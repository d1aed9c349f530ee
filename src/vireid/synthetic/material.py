"""What things are made of: a colour in visible light and, drawn apart from it, a reflectance in the near infrared."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

FABRIC_HUES = (0.0, 0.03, 0.08, 0.13, 0.3, 0.42, 0.5, 0.58, 0.62, 0.68, 0.78, 0.9)


@dataclass(frozen=True, slots=True)
class Material:
    """A surface.

    Attributes:
        visible: red, green and blue reflectance, each in [0, 1].
        infrared: reflectance in the near infrared, in [0, 1].
    """

    visible: tuple[float, float, float]
    infrared: float


def fabric_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """The visible colour of a garment: often black, gray, white or denim, else a dyed hue."""
    kind = rng.random()
    if kind < 0.18:
        value = rng.uniform(0.06, 0.16)
        return (value, value, value * rng.uniform(1.0, 1.25))
    if kind < 0.34:
        value = rng.uniform(0.3, 0.65)
        return (value, value, value)
    if kind < 0.48:
        value = rng.uniform(0.82, 0.95)
        return (value, value * 0.99, value * rng.uniform(0.9, 1.0))
    hue = float(rng.choice(FABRIC_HUES)) + rng.uniform(-0.02, 0.02)
    return colorsys.hsv_to_rgb(hue % 1.0, rng.uniform(0.45, 0.9), rng.uniform(0.3, 0.9))


def fabric(rng: np.random.Generator) -> Material:
    """A garment's cloth. Dyes say nothing about the near infrared, so the two draws are independent."""
    return Material(fabric_colour(rng), float(rng.uniform(0.1, 0.95)))


def contrasting_fabric(rng: np.random.Generator, base: Material, *, fades: float) -> Material:
    """A second cloth that stands out from `base` to the eye, and separately in the near infrared.

    Args:
        rng: source of the draw.
        base: the cloth that it lies on.
        fades: probability that the two look the same in the near infrared, as two dyes on one cloth often do.
    """
    colour = fabric_colour(rng)
    for _ in range(12):
        if float(np.abs(np.subtract(colour, base.visible)).max()) >= 0.35:
            break
        colour = fabric_colour(rng)
    if rng.random() < fades:
        infrared = float(np.clip(base.infrared + rng.uniform(-0.05, 0.05), 0.05, 1.0))
    else:
        step = rng.uniform(0.35, 0.6)
        infrared = base.infrared + step if base.infrared < 0.5 else base.infrared - step
        infrared = float(np.clip(infrared, 0.05, 0.97))
    return Material(colour, infrared)


def skin(rng: np.random.Generator) -> Material:
    """Skin: melanin absorbs little in the near infrared, so all skin is bright there."""
    tone = rng.random()
    light, dark = np.array((0.93, 0.74, 0.62)), np.array((0.36, 0.23, 0.16))
    colour = light + (dark - light) * tone + rng.uniform(-0.02, 0.02, 3)
    return Material((float(colour[0]), float(colour[1]), float(colour[2])), float(rng.uniform(0.68, 0.85)))


def hair(rng: np.random.Generator) -> Material:
    """Hair: dark hair may be bright in the near infrared and the other way round."""
    colours = ((0.07, 0.06, 0.06), (0.12, 0.09, 0.07), (0.27, 0.17, 0.1), (0.42, 0.27, 0.14), (0.78, 0.62, 0.36))
    colours = (*colours, (0.55, 0.54, 0.53), (0.52, 0.2, 0.1))
    return Material(colours[int(rng.integers(len(colours)))], float(rng.uniform(0.12, 0.6)))
