"""From a drawing to pixels: light falls on materials, a lens blurs, a sensor adds noise.

Visible cameras see coloured light on coloured surfaces. Infrared cameras bring their own light: it sits at the lens,
fades from its centre and with depth, and meets near-infrared reflectances that say nothing about colours.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import UInt8

from vireid.synthetic.camera import Camera
from vireid.synthetic.canvas import NEUTRAL_SHADE, SLOTS, STRANGER, Canvas
from vireid.synthetic.material import Material
from vireid.synthetic.person import Person
from vireid.types import Modality

_CLOTHS = 8


def palette(people: tuple[Person, Person], props: dict[int, Material], *, infrared: bool) -> UInt8[np.ndarray, "256 3"]:
    """The reflectance of every code, 0 to 255: of the subject, of the stranger, and of props."""
    table = np.zeros((2, STRANGER // len(SLOTS), len(SLOTS), 3))
    for index, person in enumerate(people):
        for slot, name in enumerate(SLOTS[1:], 1):
            table[index, :, slot] = _reflectance(person.materials[name], infrared)
    flat = table.reshape(256, 3)
    for code, material in props.items():
        flat[code] = _reflectance(material, infrared)
    return np.rint(255 * flat).astype(np.uint8)


def _reflectance(material: Material, infrared: bool) -> tuple[float, float, float]:
    return (material.infrared, material.infrared, material.infrared) if infrared else material.visible


def expose(
    canvas: Canvas,
    background: UInt8[np.ndarray, "h w 4"],
    camera: Camera,
    colours: UInt8[np.ndarray, "256 3"],
    *,
    moment: np.random.Generator,
    sensor: np.random.Generator,
    size: tuple[int, int],
    feet: tuple[float, float],
) -> UInt8[np.ndarray, "a b 3"]:
    """Light a drawing and take its picture.

    Args:
        canvas: the drawing.
        background: what stands behind it: red, green, blue and near infrared.
        camera: who looks.
        colours: of `palette`, for what the camera sees.
        moment: source of what changes from picture to picture in the world.
        sensor: source of what changes in the camera.
        size: pixels of the image, down and across.
        feet: pixel of the ground between the feet, where the shadow falls.
    """
    infrared = camera.modality is Modality.INFRARED
    channels = 1 if infrared else 3
    shade = cv2.GaussianBlur(canvas.shade, (0, 0), max(0.6, canvas.codes.shape[0] / 420))
    shade = cv2.multiply(shade, _creases(shade.shape[0], shade.shape[1], int(moment.integers(_CLOTHS))), scale=1 / 128)
    if infrared:
        figure = cv2.LUT(canvas.codes, colours[:, 0].copy())
        scene = _lamp_on_background(np.ascontiguousarray(background[..., 3]), camera)
        figure = cv2.multiply(figure, shade, scale=1.0 / NEUTRAL_SHADE)
    else:
        figure = cv2.applyColorMap(canvas.codes, np.ascontiguousarray(colours[:, None]))
        scene = np.ascontiguousarray(background[..., :3])
        figure = cv2.multiply(figure, cv2.merge([shade] * 3), scale=1.0 / NEUTRAL_SHADE)
    _cast_shadow(scene, camera, feet)
    cv2.copyTo(figure, canvas.codes, scene)

    height, width = size
    fine = (max(16, round(height * camera.resolution)), max(8, round(width * camera.resolution)))
    light = cv2.resize(scene, (fine[1], fine[0]), interpolation=cv2.INTER_AREA).astype(np.float32)
    light = light.reshape(*fine, channels)
    sharpness = camera.blur * float(sensor.uniform(0.7, 1.6)) * fine[0]
    if sharpness > 0.3:
        light = cv2.GaussianBlur(light, (0, 0), sharpness).reshape(*fine, channels)
    exposure = camera.exposure * float(moment.uniform(0.9, 1.1))
    if infrared:
        light = light * (exposure * _lamp(fine, camera, moment))[..., None]
    else:
        light = light * (exposure * np.array(camera.tint, dtype=np.float32)) + np.float32(255 * camera.haze)
    read, shot = 255 * camera.noise[0], camera.noise[1] * np.sqrt(255.0)
    spread = read + shot * np.sqrt(np.maximum(light, 0.0))
    light = light + np.float32(1.0) * spread * sensor.standard_normal(light.shape, dtype=np.float32)
    picture = np.clip(light, 0, 255).astype(np.uint8)
    if fine != size:
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return cv2.merge([picture] * 3) if infrared else picture


@lru_cache(maxsize=2 * _CLOTHS)
def _creases(height: int, width: int, cloth: int) -> UInt8[np.ndarray, "h w"]:
    """Soft folds of cloth over a whole board, 128 where there is none."""
    rng = np.random.default_rng(cloth)
    total = np.zeros((height, width), dtype=np.float32)
    for cells, strength in ((9, 9.0), (22, 8.0), (60, 5.0)):
        coarse = rng.standard_normal((cells, round(cells * 0.8)), dtype=np.float32)
        total += strength * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + total, 70, 190).astype(np.uint8)


def _lamp_on_background(surface: np.ndarray, camera: Camera) -> np.ndarray:
    """What stands behind the person gets less of the lamp's light, the floor more the nearer it is."""
    rows = np.linspace(0.0, 1.0, len(surface), dtype=np.float32)
    reach = (1.0 - camera.falloff[1]) * (0.75 + 0.6 * np.clip((rows - 0.6) / 0.4, 0, 1))
    return cv2.multiply(surface, np.repeat(reach[:, None], surface.shape[1], axis=1), dtype=cv2.CV_8U)


def _lamp(fine: tuple[int, int], camera: Camera, moment: np.random.Generator) -> np.ndarray:
    """Gain of the lamp over the picture: a bright middle that fades to the edge."""
    middle = moment.uniform((0.3, 0.25), (0.7, 0.5))
    down = (np.linspace(0, 1, fine[0], dtype=np.float32) - np.float32(middle[1]))[:, None]
    across = (np.linspace(0, 1, fine[1], dtype=np.float32) - np.float32(middle[0]))[None]
    return np.float32(1.15) - np.float32(camera.falloff[0]) * (1.6 * across * across + 1.4 * down * down)


def _cast_shadow(scene: np.ndarray, camera: Camera, feet: tuple[float, float]) -> None:
    height, width = scene.shape[:2]
    top = int(np.clip(feet[1] - 0.06 * height, 0, height - 2))
    part = scene[top:]
    mask = np.zeros(part.shape[:2], dtype=np.uint8)
    across = 0.24 * width
    centre = (round(feet[0] - camera.light * 0.5 * across), round(feet[1] - top + 0.002 * height))
    cv2.ellipse(mask, centre, (round(across), max(1, round(0.028 * height))), 0, 0, 360, 150, -1)
    mask = 255 - cv2.GaussianBlur(mask, (0, 0), 0.012 * height)
    if scene.ndim == 3:
        mask = cv2.merge([mask] * 3)
    scene[top:] = cv2.multiply(part, mask, scale=1.0 / 255.0)
