"""Who a person of the made world is: proportions, hair, wardrobe and what is carried; the same in every camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vireid.synthetic.material import Material, contrasting_fabric, fabric, hair, skin
from vireid.synthetic.stream import Topic, stream

HAIR_STYLES = ("shaved", "short", "bob", "long", "bun", "ponytail", "afro")
UPPER_KINDS = ("tank", "t-shirt", "shirt", "hoodie", "jacket", "coat", "dress")
LOWER_KINDS = ("trousers", "shorts", "skirt", "none")
PATTERNS = ("plain", "horizontal", "vertical", "checks", "dots", "logo", "block")
BAGS = ("none", "backpack", "crossbody", "handbag")
HATS = ("none", "cap", "beanie", "brim")

_HAIR_WEIGHTS: dict[str, float] = dict(zip(HAIR_STYLES, (1.0, 3.0, 1.5, 2.2, 1.0, 1.2, 0.8)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Proportions. Lengths but the first are fractions of the height; widths are half widths.

    Attributes:
        height: in metres.
        crotch: height of the crotch above the ground.
        shoulder: half width over the shoulders.
        chest: half width of the chest.
        waist: half width of the waist.
        hip: half width of the hips.
        depth: half thickness of the trunk over its half width.
        limb: thickness of arms and legs over the usual.
        head: size of the head over the usual.
    """

    height: float
    crotch: float
    shoulder: float
    chest: float
    waist: float
    hip: float
    depth: float
    limb: float
    head: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Upper:
    """What covers the trunk.

    Attributes:
        kind: one of `UPPER_KINDS`.
        sleeve: share of the arm that is covered.
        hem: height above the ground where it ends, over the person's height.
        loose: width over that of the body.
        flare: further half width at the hem, over the person's height.
        opening: half angle of an open front in radians, 0 when closed.
        pattern: one of `PATTERNS`.
        period: of the pattern, over the person's height.
    """

    kind: str
    sleeve: float
    hem: float
    loose: float
    flare: float
    opening: float
    pattern: str
    period: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Lower:
    """What covers the legs.

    Attributes:
        kind: one of `LOWER_KINDS`; ``none`` under a dress.
        hem: share of the leg that is covered.
        loose: width over that of the leg.
        flare: further width at the hem, over the usual.
        pattern: one of `PATTERNS`; ``vertical`` is a stripe along the seam.
        period: of the pattern, over the person's height.
    """

    kind: str
    hem: float
    loose: float
    flare: float
    pattern: str
    period: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """All that stays the same from camera to camera.

    Attributes:
        body: proportions.
        upper: what covers the trunk.
        lower: what covers the legs.
        hair_style: one of `HAIR_STYLES`.
        beard: whether there is one.
        bag: one of `BAGS`.
        bag_size: over the usual.
        bag_side: -1 right, 1 left.
        hat: one of `HATS`.
        boots: share of the lower leg that the shoes cover.
        socks: share of the lower leg that socks or tights cover, 0 where none.
        materials: what each thing is made of, by name.
    """

    body: Body
    upper: Upper
    lower: Lower
    hair_style: str
    beard: bool
    bag: str
    bag_size: float
    bag_side: int
    hat: str
    boots: float
    socks: float
    materials: dict[str, Material]


def _choice(rng: np.random.Generator, names: tuple[str, ...], weights: tuple[float, ...]) -> str:
    shares = np.asarray(weights) / np.sum(weights)
    return names[int(rng.choice(len(names), p=shares))]


def _body(rng: np.random.Generator) -> Body:
    build = float(np.clip(rng.normal(0.0, 1.0), -1.7, 2.2))
    frame = float(rng.uniform(-1.0, 1.0))
    return Body(
        height=float(np.clip(rng.normal(1.70, 0.10), 1.48, 1.95)),
        crotch=float(rng.uniform(0.445, 0.495)),
        shoulder=0.118 + 0.012 * frame + 0.007 * build,
        chest=0.092 + 0.006 * frame + 0.011 * build,
        waist=0.078 + 0.004 * frame + 0.016 * build,
        hip=0.092 - 0.004 * frame + 0.010 * build,
        depth=float(0.62 + 0.07 * build),
        limb=float(1.0 + 0.11 * build),
        head=float(rng.uniform(0.92, 1.08)),
    )


def _upper(rng: np.random.Generator) -> Upper:
    kind = _choice(rng, UPPER_KINDS, (0.7, 2.4, 1.8, 1.6, 2.2, 1.2, 1.2))
    sleeve = {
        "tank": 0.0,
        "t-shirt": rng.uniform(0.24, 0.44),
        "shirt": rng.choice((0.42, 0.96)),
        "dress": rng.choice((0.0, 0.3, 0.95)),
    }.get(kind, 0.97)
    hem = {"coat": rng.uniform(0.24, 0.36), "dress": rng.uniform(0.16, 0.38), "jacket": rng.uniform(0.43, 0.51)}.get(
        kind, rng.uniform(0.42, 0.5)
    )
    loose = {"tank": 1.02, "coat": 1.16, "hoodie": 1.2, "jacket": 1.14}.get(kind, 1.04) + rng.uniform(0.0, 0.14)
    flare = {"dress": rng.uniform(0.0, 0.07), "coat": rng.uniform(0.0, 0.03)}.get(kind, 0.0)
    opening = rng.uniform(0.25, 0.6) if kind == "jacket" or (kind == "coat" and rng.random() < 0.5) else 0.0
    weights = (1.5, 2.0, 1.1, 1.3, 1.2, 1.4, 1.7)
    if opening:
        weights = (2.5, 1.2, 0.7, 1.0, 0.0, 0.0, 1.7)
    return Upper(
        kind=kind,
        sleeve=float(sleeve),
        hem=float(hem),
        loose=float(loose),
        flare=float(flare),
        opening=float(opening),
        pattern=_choice(rng, PATTERNS, weights),
        period=float(rng.uniform(0.045, 0.1)),
    )


def _lower(rng: np.random.Generator, upper: Upper) -> Lower:
    kind = "none" if upper.kind == "dress" else _choice(rng, LOWER_KINDS[:3], (3.0, 1.5, 1.1))
    hem = {"trousers": rng.choice((0.78, 0.97, 0.97)), "shorts": rng.uniform(0.28, 0.52)}.get(
        kind, rng.uniform(0.3, 0.85)
    )
    return Lower(
        kind=kind,
        hem=float(hem),
        loose=float(rng.uniform(1.0, 1.35)),
        flare=float(rng.uniform(-0.05, 0.4)) if kind != "skirt" else float(rng.uniform(0.0, 0.8)),
        pattern=_choice(rng, PATTERNS, (3.0, 0.7, 1.6, 1.0, 0.0, 0.0, 1.0)),
        period=float(rng.uniform(0.04, 0.08)),
    )


def _materials(rng: np.random.Generator) -> dict[str, Material]:
    upper = fabric(rng)
    lower = contrasting_fabric(rng, upper, fades=0.15)
    bag = contrasting_fabric(rng, upper, fades=0.1)
    tone = skin(rng)
    return {
        "skin": tone,
        "lips": Material((tone.visible[0] * 0.8, tone.visible[1] * 0.6, tone.visible[2] * 0.6), tone.infrared * 0.93),
        "eye": Material((0.08, 0.07, 0.07), float(rng.uniform(0.1, 0.25))),
        "hair": hair(rng),
        "upper": upper,
        "upper_second": contrasting_fabric(rng, upper, fades=0.17),
        "inner": contrasting_fabric(rng, upper, fades=0.15),
        "lower": lower,
        "lower_second": contrasting_fabric(rng, lower, fades=0.25),
        "shoe": fabric(rng),
        "sole": Material((0.85, 0.85, 0.83), float(rng.uniform(0.2, 0.9))),
        "sock": fabric(rng),
        "bag": bag,
        "bag_second": contrasting_fabric(rng, bag, fades=0.3),
        "hat": fabric(rng),
    }


def make_person(seed: int, person: int) -> Person:
    """The person of a number: a function of the seed and the number alone.

    Args:
        seed: of the world.
        person: number of the person, at least 0.
    """
    rng = stream(seed, Topic.PERSON, person)
    upper = _upper(rng)
    lower = _lower(rng, upper)
    hat = _choice(rng, HATS, (3.0, 1.0, 0.8, 0.6))
    # Hair that stands up does not fit under a hat.
    styles = HAIR_STYLES if hat == "none" else tuple(style for style in HAIR_STYLES if style not in ("afro", "bun"))
    return Person(
        body=_body(rng),
        upper=upper,
        lower=lower,
        hair_style=_choice(rng, styles, tuple(_HAIR_WEIGHTS[style] for style in styles)),
        beard=bool(rng.random() < 0.2),
        bag=_choice(rng, BAGS, (1.3, 1.3, 1.1, 1.0)),
        bag_size=float(rng.uniform(0.75, 1.3)),
        bag_side=int(rng.choice((-1, 1))),
        hat=hat,
        boots=float(rng.choice((0.0, 0.0, 0.25, 0.75))),
        socks=float(rng.choice((0.0, 0.2, 0.6, 1.0))),
        materials=_materials(rng),
    )
