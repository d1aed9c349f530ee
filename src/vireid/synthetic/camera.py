"""What a camera of the made world is: where it hangs, how it looks at people, and what its sensor does to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vireid.synthetic.stream import Topic, stream
from vireid.types import Modality, VireidError

Layout = Literal["sysu", "regdb", "llcm", "folder"]
LAYOUTS: tuple[Layout, ...] = ("sysu", "regdb", "llcm", "folder")

# number, modality, place, moment: cameras of one moment take their pictures at the same instant.
_SYSU = ((1, "v", 1, 1), (2, "v", 2, 2), (3, "i", 2, 3), (4, "v", 4, 4), (5, "v", 5, 5), (6, "i", 6, 6))
_REGDB = ((1, "v", 1, 1), (2, "i", 1, 1))
_FOLDER = ((1, "v", 1, 1), (2, "v", 2, 2), (3, "i", 3, 3), (4, "i", 4, 4))
# LLCM's cameras switch between day and night: number 3 has no infrared images.
_LLCM = tuple((number, "v", number, number) for number in range(1, 10)) + tuple(
    (number, "i", number, 10 + number) for number in range(1, 10) if number != 3
)
_INDOOR_PLACES = {"sysu": (1, 2), "regdb": (), "llcm": (1, 3, 5, 7, 9), "folder": (1, 3)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A camera at a moment of the day.

    Attributes:
        number: as the data set counts.
        modality: what it sees.
        place: number of the scene; cameras of one place share their background.
        moment: number of the stream of poses; cameras of one moment see the same instant.
        indoor: whether the place is a building's inside.
        yaws: the two walking directions seen, as angles of `pose.View`.
        elevation: above the horizon, in radians.
        perspective: as in `pose.View`.
        light: where light comes from, -1 left to 1 right.
        ambient: share of the light that comes from everywhere.
        exposure: brightness of the picture over the usual.
        tint: gain of red, green and blue: the colour of the light.
        haze: added to all channels, as share of white.
        resolution: pixels of the sensor over pixels of the image, in each direction.
        blur: sigma over the height of the image.
        noise: read noise and shot noise, as share of white.
        quality: of the JPEG.
        falloff: how fast an active light fades from its centre to the edge, and with depth.
    """

    number: int
    modality: Modality
    place: int
    moment: int
    indoor: bool
    yaws: tuple[float, float]
    elevation: float
    perspective: float
    light: float
    ambient: float
    exposure: float
    tint: tuple[float, float, float]
    haze: float
    resolution: float
    blur: float
    noise: tuple[float, float]
    quality: int
    falloff: tuple[float, float]


def make_camera(seed: int, number: int, modality: Modality, *, place: int, moment: int, indoor: bool) -> Camera:
    """The camera of a number and a modality: viewpoint from its place, light and sensor from itself.

    Args:
        seed: of the world.
        number: as the data set counts.
        modality: what it sees.
        place: number of the scene.
        moment: number of the stream of poses.
        indoor: whether the place is a building's inside.
    """
    site = stream(seed, Topic.PLACE, place)
    along = float(site.choice((-1.0, 1.0))) * float(site.uniform(0.15, 0.95))
    elevation = float(site.uniform(0.04, 0.3))
    infrared = modality is Modality.INFRARED
    rng = stream(seed, Topic.CAMERA, number, int(infrared))
    warmth = rng.uniform(-0.2, 0.2)
    return Camera(
        number=number,
        modality=modality,
        place=place,
        moment=moment,
        indoor=indoor,
        yaws=(along, along + np.pi),
        elevation=elevation,
        perspective=0.25 * elevation,
        light=0.15 * float(rng.uniform(-1, 1)) if infrared else float(rng.uniform(-0.85, 0.85)),
        ambient=0.2 if infrared else float(rng.uniform(0.4, 0.6)),
        exposure=float(rng.uniform(0.95, 1.25)) if infrared else float(rng.uniform(0.62, 1.1)),
        tint=(1.0 + float(warmth), 1.0 + float(rng.uniform(-0.06, 0.03)), 1.0 - float(warmth)),
        haze=float(rng.uniform(0.0, 0.06)),
        resolution=float(rng.uniform(0.65, 1.0)),
        blur=float(rng.uniform(0.0005, 0.003)),
        noise=(float(rng.uniform(0.002, 0.008)) * (1.6 if infrared else 1.0), float(rng.uniform(0.004, 0.014))),
        quality=int(rng.integers(72, 94)),
        falloff=(float(rng.uniform(0.25, 0.6)), float(rng.uniform(0.25, 0.55))) if infrared else (0.0, 0.0),
    )


def cameras_of(layout: str, seed: int) -> tuple[Camera, ...]:
    """All cameras of a layout, visible ones first for LLCM, else by number.

    Args:
        layout: one of `LAYOUTS`.
        seed: of the world.

    Raises:
        VireidError: a layout that there is not.

    >>> [camera.number for camera in cameras_of("sysu", 0) if camera.modality is Modality.INFRARED]
    [3, 6]
    """
    tables = {"sysu": _SYSU, "regdb": _REGDB, "llcm": _LLCM, "folder": _FOLDER}
    if layout not in tables:
        raise VireidError(f"the layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    return tuple(
        make_camera(
            seed,
            number,
            Modality.VISIBLE if letter == "v" else Modality.INFRARED,
            place=place,
            moment=moment,
            indoor=place in _INDOOR_PLACES[layout],
        )
        for number, letter, place, moment in tables[layout]
    )
