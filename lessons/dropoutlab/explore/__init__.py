"""Explorers: one for each lesson, made of `Explorer`, a picture that answers to sliders."""

from dropoutlab.explore.coadaptation import coadaptation
from dropoutlab.explore.enough_seeds import enough_seeds
from dropoutlab.explore.explorer import Explorer, Picture, slider
from dropoutlab.explore.learning_curves import learning_curves
from dropoutlab.explore.learning_weights import learning_weights
from dropoutlab.explore.maps import maps
from dropoutlab.explore.masks_over_time import masks_over_time
from dropoutlab.explore.members import members
from dropoutlab.explore.noise import noise
from dropoutlab.explore.penalty import penalty
from dropoutlab.explore.philox import philox
from dropoutlab.explore.places import places
from dropoutlab.explore.preactivation import preactivation
from dropoutlab.explore.same_input import same_input
from dropoutlab.explore.sampled_functions import sampled_functions
from dropoutlab.explore.scaled import scaled
from dropoutlab.explore.scaling import scaling
from dropoutlab.explore.thinned_digit import thinned_digit

__all__ = [
    "Explorer",
    "Picture",
    "coadaptation",
    "enough_seeds",
    "learning_curves",
    "learning_weights",
    "maps",
    "masks_over_time",
    "members",
    "noise",
    "penalty",
    "philox",
    "places",
    "preactivation",
    "same_input",
    "sampled_functions",
    "scaled",
    "scaling",
    "slider",
    "thinned_digit",
]
