"""The claims about symmetries, in order."""

from experiments.symmetries import picture_rules, rules
from learning.finding import Claim

CLAIMS = (
    Claim("Y1", "Symmetries leave outputs as they are, rotations do not", "section 3", rules.y1),
    Claim("Y2", "A planted symmetry is found exactly", "control", rules.y2),
    Claim("Y3", "Metrics are invariant to what they are meant to be", "section 5", rules.y3),
    Claim("Y4", "Rotations align at least as well as permutations", "theorem", rules.y4),
    Claim("Y5", "Width 48: any matrix < permutation with scales < rank 4 < rank 2 < rank 1", "figure 2", rules.y5),
    Claim("Y5b", "Width 16: any matrix < permutation with scales < rank 1", "figure 2", rules.y5_narrow),
    Claim("Y5c", "Identity, random permutations and random rotations are worthless", "control", rules.y5_controls),
    Claim("Y5d", "Wider networks are more alike", "section 5", rules.y5_width),
    Claim("Y6", "A permutation matched without training is far better than a random one", "control", rules.y6),
    Claim("Y7", "Behind G_ReLU the rest learns as if nothing were there, behind a rotation not", "figure 3", rules.y7),
    Claim("Y7b", "... and a rotation before the last ReLU costs 3 points more", "figure 3", rules.y7_size),
    Claim("Y8", "Similarity falls with depth, by wreath CKA faster than by linear CKA", "figure 4", rules.y8),
    Claim("Y9", "The published penalty does nothing, the centred one works", "code", rules.y9),
    Claim("Y10", "Statistics of the soft matrix do not do for the permutation", "code", rules.y10),
    Claim("Y11", "Scales near 1 are nearly symmetries of GELU", "appendix", rules.y11),
    Claim("A1", "Permuting channels lowers the barrier between two networks", "Ainsworth et al. 2023", rules.aligned),
    Claim("N1", "Networks that learned nothing useful cost more to stitch in", "control", rules.nulls),
    Claim("N2", "... and so does noise that knows the class alone", "control", rules.noise),
    Claim("D1", "Channels selective for a class survive G_ReLU, not rotations", "section 6", rules.dissected),
    Claim("P1", "Stitched late, a network predicts like the sender", "here", picture_rules.like_sender),
    Claim("P2", "Bad stitches leave the manifold, away from both", "here", picture_rules.leave_together),
    Claim("P3", "Wreath similarity predicts the barrier after alignment", "here", picture_rules.predicts_barrier),
    Claim("P4", "Networks that represent alike predict alike", "here", picture_rules.alike_predict_alike),
)
