"""TensorFlow Addons: where "semi-hard, or else the farthest" comes from."""

from __future__ import annotations

from tripletscope.dialects.base import dialect
from tripletscope.dialects.rule import Rule

LIBRARY, VERSION = "TensorFlow Addons", "02e1240 (2020)"
_SQUARED = (
    "In the version that was read the distance 'L_2' is the squared one and 'L_1' its root; later ones take the "
    "plain distance by default."
)

semi_hard = dialect(
    Rule("squared-euclidean", lower="positive", fallback="farthest"),
    name="tensorflow-addons-semi-hard",
    library=LIBRARY,
    short="TFA",
    call="TripletSemiHardLoss()",
    word="semi-hard",
    version=VERSION,
    source="tensorflow_addons/losses/triplet.py, triplet_semihard_loss",
    ties="no matter: it works with the distances alone",
    notes=(_SQUARED, "A batch in which no label comes twice has NaN for a loss."),
    order=135,
)
batch_hard = dialect(
    Rule("squared-euclidean", units="anchor", positive="farthest", lonely="yes"),
    name="tensorflow-addons-batch-hard",
    library=LIBRARY,
    short="TFA",
    call="TripletHardLoss()",
    word="batch-hard",
    version=VERSION,
    source="tensorflow_addons/losses/triplet.py, triplet_hard_loss",
    ties="no matter: it works with the distances alone",
    notes=(_SQUARED,),
    order=136,
)
