"""The claims about the manifold, in order, and those of which there are runs."""

import dataclasses

from experiments.manifold import more_rules, picture_rules, rules
from experiments.manifold.measured import Measured
from experiments.manifold.planned import CORNERS, GRID, MEANS, PATHS, SPEED, SYNTHETIC
from experiments.manifold.results import ABSENT
from learning.finding import Claim, Finding

PAPER = "Mao 2024"
CLAIMS = (
    Claim("L1", "Few axes explain the pictures of all networks", PAPER, picture_rules.l1),
    Claim("L1b", "... not only because all go from ignorance to truth", "control", picture_rules.l1_within),
    Claim("L2", "Training and evaluation images give one picture", PAPER, picture_rules.l2),
    Claim("L3", "The network tells paths apart", PAPER, rules.l3),
    Claim("L3b", "... the optimiser hardly does", PAPER, rules.l3_optimiser),
    Claim("L3c", "... the batch size hardly does", PAPER, rules.l3_batch),
    Claim("L3d", "... weight decay hardly does", PAPER, rules.l3_decay),
    Claim("L3e", "... augmentation hardly does", "here", rules.l3_augmentation),
    Claim("L4", "Runs of one configuration lie in a narrow tube", PAPER, rules.l4),
    Claim("L5", "Runs are not on the geodesic, and ever further from it", PAPER, rules.l5),
    Claim("L6", "Clusters of configurations are networks", PAPER, rules.l6),
    Claim("L7", "Wider networks go faster", PAPER, more_rules.l7),
    Claim("L7b", "... on the same path", PAPER, more_rules.l7_paths),
    Claim("L8", "Runs from weights of random labels join the usual ones", PAPER, more_rules.l8_random),
    Claim("L8b", "... and so do those from weights of few images", PAPER, more_rules.l8_few),
    Claim("L9", "Sloppy inputs make the manifold flatter", PAPER, more_rules.l9),
    Claim(
        "L10", "Harmonic and geometric means of runs are further than arithmetic ones", "published code", more_rules.l10
    ),
    Claim("L11", "Ignorance, truth and two means on the way span the picture", PAPER, picture_rules.l11),
    Claim("L12", "Of all factors the network has the largest share", PAPER, rules.l12),
)
SECTION = {"L7": SPEED, "L7b": SPEED, "L8": CORNERS, "L8b": CORNERS, "L9": SYNTHETIC}  # of others: the grid
PART = dict.fromkeys(("L3", "L3b", "L3c", "L3d", "L3e", "L4", "L5", "L6", "L12"), PATHS) | {"L10": MEANS}
UNASKED = "not asked (not all trained)"


def _lacks(claim: Claim, found: Measured) -> str:
    """Return which section of a claim is missing, or part of one; nothing where all is there."""
    wanted = SECTION.get(claim.number, GRID), PART.get(claim.number)
    return next((x for x in wanted if x in (found.missing or {})), "")


def there(found: Measured) -> list[Claim]:
    """Return the claims whose runs are there; without verdicts on the grid and corners, while runs of these are not.

    Runs that diverged or ended badly are what came of them: rules look at the others.
    """
    half = ABSENT in found.why.values()
    return [
        _unasked(claim) if half and SECTION.get(claim.number, GRID) in (GRID, CORNERS) else claim
        for claim in CLAIMS
        if not _lacks(claim, found)
    ]


def _unasked(claim: Claim) -> Claim:
    """Return a claim that is measured without a verdict."""

    def measure(found: Measured) -> Finding:
        return dataclasses.replace(claim.measure(found), verdict=UNASKED)

    return dataclasses.replace(claim, measure=measure)


def left_out(found: Measured) -> list[str]:
    """Return a line for each section that is missing: which claims are left out, and why, or what trains its runs."""
    lacking = {claim.number: _lacks(claim, found) for claim in CLAIMS}
    return [
        f"Left out: {', '.join(number for number, lacks in lacking.items() if lacks == section)}, of {section}. "
        f"{said[0].upper() if said.split()[0].isalpha() else said[0]}{said[1:]}."  # names stay as they are
        for section, said in (found.missing or {}).items()
    ]
