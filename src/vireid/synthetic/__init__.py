"""A made world of people, wardrobes, cameras and light, for those without data."""

from vireid.synthetic.camera import LAYOUTS, Camera, Layout, cameras_of
from vireid.synthetic.canvas import PART_NAMES
from vireid.synthetic.contact_sheet import contact_sheet, write_contact_sheet
from vireid.synthetic.marker import is_made_world
from vireid.synthetic.render import Picture, render
from vireid.synthetic.world import WorldSummary, write_world

__all__ = [
    "LAYOUTS",
    "PART_NAMES",
    "Camera",
    "Layout",
    "Picture",
    "WorldSummary",
    "cameras_of",
    "contact_sheet",
    "is_made_world",
    "render",
    "write_contact_sheet",
    "write_world",
]
