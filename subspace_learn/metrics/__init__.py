"""Spatial scores: how much area has to be searched to find what a map is after; pools of maps.

For classifiers whose classes are cells with a size: of the Earth, of a city, of an image.
"""

from ._displays import RecallVsAreaDisplay
from ._equal_angle_grid import EqualAngleGrid
from ._location_maps import location_maps
from ._location_pool import LocationPool
from ._recall_vs_area import (
    area_at_recall,
    area_to_find,
    recall_at_area,
    recall_vs_area_curve,
)
from ._scorer import RecallVsAreaScorer

__all__ = [
    "EqualAngleGrid",
    "LocationPool",
    "RecallVsAreaDisplay",
    "RecallVsAreaScorer",
    "area_at_recall",
    "area_to_find",
    "location_maps",
    "recall_at_area",
    "recall_vs_area_curve",
]
