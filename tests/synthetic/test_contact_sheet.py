from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vireid.synthetic import cameras_of, contact_sheet, render, write_contact_sheet


def test_a_cell_is_the_picture_of_its_person_and_camera() -> None:
    sheet = contact_sheet(0, layout="folder", persons=2, height=64, width=32)
    camera = cameras_of("folder", 0)[1]
    picture = render(0, person=2, camera=camera, image=1, height=64, width=32).image
    windows = np.lib.stride_tricks.sliding_window_view(sheet, picture.shape)[:, :, 0]
    found = (windows == picture).all(axis=(2, 3, 4))
    assert int(found.sum()) == 1


def test_a_sheet_is_written_as_a_jpeg(tmp_path: Path) -> None:
    write_contact_sheet(tmp_path / "sheet.jpg", 0, layout="regdb", persons=1)
    pixels = cv2.imread(str(tmp_path / "sheet.jpg"))
    assert pixels.shape == contact_sheet(0, layout="regdb", persons=1).shape
