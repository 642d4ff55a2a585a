"""FaceNet: the paper that brought the words, and leaves some of them open."""

from __future__ import annotations

from tripletscope.dialects.base import dialect
from tripletscope.dialects.rule import Rule

LIBRARY, VERSION = "FaceNet", "the paper, 2015"

semi_hard = dialect(
    Rule("squared-euclidean", lower="positive", upper="margin"),
    name="facenet-semi-hard",
    library=LIBRARY,
    short="FaceNet",
    call="§3.2, semi-hard negatives",
    word="semi-hard",
    version=VERSION,
    source='Schroff, Kalenichenko & Philbin 2015, "FaceNet", §3.2, eq. 4',
    normalises=True,
    ties="not said",
    notes=(
        "The paper does not say which negative of the band is taken; the nearest one stands here.",
        "It asks every anchor and positive of a batch of about 1,800 faces, some 40 for each person.",
    ),
    order=100,
)
hardest = dialect(
    Rule("squared-euclidean"),
    name="facenet-hardest",
    library=LIBRARY,
    short="FaceNet",
    call="§3.2, the argmin over negatives",
    word="hardest",
    version=VERSION,
    source='Schroff, Kalenichenko & Philbin 2015, "FaceNet", §3.2',
    normalises=True,
    ties="not said",
    notes=("The paper warns that these negatives lead to a collapsed model early in training.",),
    order=101,
)
