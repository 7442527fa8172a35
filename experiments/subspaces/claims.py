"""The claims about subspaces, in order."""

from experiments.subspaces import picture_rules, rules
from learning.finding import Claim

MORE = "With wrong labels the middle is far more accurate than a single network, SWA and two networks"
CLAIMS = (
    Claim(
        "S1",
        "There is no barrier along a line or a curve, and its middle is better than its ends",
        "abstract",
        rules.s1,
    ),
    Claim("S2", "The middle is as accurate as a single network, and better calibrated", "abstract", rules.s2),
    Claim("S3", "Networks near the ends are an ensemble as good as one of two networks", "figure 4", rules.s3),
    Claim("S4", MORE, "abstract", rules.s4),
    Claim("S4b", "... and than a network that is stopped in time", "control", rules.s4_control),
    Claim("S5", "The middle is better than SWA", "abstract", rules.s5),
    Claim("S6", "The penalty keeps vertices at right angles, and the ends apart", "equation 3", rules.s6),
    Claim("S7", "Without recalibration the ends are worthless", "code", rules.s7),
    Claim("S8", "Layerwise lines rise more from the ends to the middle", "figure 4", rules.s8),
    Claim("S9", "The gain of an ensemble of two is exactly their distance", "here", rules.s9),
    Claim("S10", "The middle is as accurate as a single network where both under-fit", "abstract", rules.under_fit),
    Claim("S11", "The more vertices, the more accurate the barycentre", "figure 5", rules.more_vertices),
    Claim("S12", "With wrong labels the middle is better calibrated", "abstract", rules.calibrated_under_noise),
    Claim("P1", "A line bows towards truth, more than the great circle between its ends", "here", picture_rules.bows),
    Claim("P2", "A line is far longer than its chord", "here", picture_rules.longer),
    Claim("P3", "Its middle is inside the cloud of networks trained apart", "here", picture_rules.inside),
    Claim("P4", "Its middle is trained along the ways of single networks", "here", picture_rules.same_way),
)
