"""Where each data set comes from, how it must lie on disk, and how large it is as published."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["HOW_TO_OBTAIN", "PUBLISHED_COUNTS"]

HOW_TO_OBTAIN: Mapping[str, str] = MappingProxyType(
    {
        "sysu": """\
SYSU-MM01 (Wu et al., ICCV 2017) is given out by its authors at Sun Yat-sen University for research only: sign the
agreement on the data set's own page or repository and send it from an address of your institution; they answer with a
link. Unpack it so that the root holds
  cam1 .. cam6/<person, four digits>/<number, four digits>.jpg     cameras 3 and 6 are infrared
  exp/{train_id,val_id,test_id}.txt or .mat                        identities of each split
  exp/rand_perm_cam.mat                                            for --draw official""",
        "regdb": """\
RegDB (Nguyen et al., Sensors 2017) is given out by the Dongguk University group that made it, after registration on its
page. The split files idx/ come with the published code of most methods. Unpack it so that the root holds
  Visible/<person>/<image>.bmp and Thermal/<person>/<image>.bmp
  idx/{train,test}_{visible,thermal}_{1..10}.txt                   lines 'Visible/<person>/<image>.bmp <label>'""",
        "llcm": """\
LLCM (Zhang and Wang, CVPR 2023) is given out by its authors at Xiamen University for research only: sign the agreement
in the repository of the paper (DEEN) and send it from an address of your institution. Unpack it so that the root holds
  vis/<person, four digits>/*.jpg and nir/<person>/*.jpg           training
  test_vis/cam{1..9}/<person>/*.jpg                                test
  test_nir/cam{1,2,4..9}/<person>/*.jpg                            test; there is no infrared camera 3
  idx/{train_vis,train_nir}.txt, idx/test_id.txt""",
        "folder": """\
Crops of your own: any folder with manifest.csv or manifest.parquet, with the columns
  path, person, camera, modality (visible or infrared)             needed
  split (train, test, query, gallery), time, track                 if you have them
or without a manifest
  {visible,infrared}/<person>/<camera>_<anything>.jpg
`vireid synth` makes such a folder, or any of the other layouts, without licensed data.""",
    }
)

# (split, modality) -> (identities, images); RegDB is one trial.
PUBLISHED_COUNTS: Mapping[str, Mapping[tuple[str, str], tuple[int, int]]] = MappingProxyType(
    {
        "sysu": {
            ("train", "visible"): (395, 22_258),
            ("train", "infrared"): (395, 11_909),
            ("test", "infrared"): (96, 3_803),
        },
        "regdb": {
            ("train", "visible"): (206, 2_060),
            ("train", "infrared"): (206, 2_060),
            ("test", "visible"): (206, 2_060),
            ("test", "infrared"): (206, 2_060),
        },
    }
)
