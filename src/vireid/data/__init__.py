"""What is on disk: every data set becomes one table of records."""

from vireid.data.dataset import ImageDataset, load_batch
from vireid.data.doctor import Diagnosis, diagnose
from vireid.data.faults import Fault, FaultError
from vireid.data.fingerprint import fingerprint_records, same_data
from vireid.data.folder import read_folder
from vireid.data.images import load_image
from vireid.data.llcm import read_llcm
from vireid.data.obtain import HOW_TO_OBTAIN
from vireid.data.part_maps import HOW_TO_GET_PART_MAPS, PART_MAP_FOLDER, count_part_maps, load_part_maps
from vireid.data.pixel_cache import PixelCache, open_pixel_cache
from vireid.data.reading import DATASETS, DatasetName, read
from vireid.data.regdb import read_regdb
from vireid.data.sysu_mm01 import (
    SYSU_INFRARED_CAMERAS,
    SYSU_VISIBLE_CAMERAS,
    SysuPermutations,
    read_sysu_ids,
    read_sysu_mm01,
    read_sysu_permutations,
)

__all__ = [
    "DATASETS",
    "HOW_TO_GET_PART_MAPS",
    "HOW_TO_OBTAIN",
    "PART_MAP_FOLDER",
    "SYSU_INFRARED_CAMERAS",
    "SYSU_VISIBLE_CAMERAS",
    "DatasetName",
    "Diagnosis",
    "Fault",
    "FaultError",
    "ImageDataset",
    "PixelCache",
    "SysuPermutations",
    "count_part_maps",
    "diagnose",
    "fingerprint_records",
    "load_batch",
    "load_image",
    "load_part_maps",
    "open_pixel_cache",
    "read",
    "read_folder",
    "read_llcm",
    "read_regdb",
    "read_sysu_ids",
    "read_sysu_mm01",
    "read_sysu_permutations",
    "same_data",
]
