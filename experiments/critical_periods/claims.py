"""The claims about critical periods, in order."""

from experiments.critical_periods import more_rules, rules
from learning.finding import Claim

PAPER = "ARS 2019"
CLAIMS = (
    Claim("E17", "The longer images were blurred, the worse a network is for good", PAPER, rules.e17),
    Claim("E17a", "... and not because of more epochs", "control", rules.e17_epochs),
    Claim("E17b", "... nor of any blur: a weak one does no such harm", "control", rules.e17_weak),
    Claim("E17c", "... also in a CNN", PAPER, rules.e17_cnn),
    Claim("E17d", "... also where the learning rate never falls", PAPER, rules.e17_constant),
    Claim("E20", "Images upside down do no such harm", PAPER, rules.e20),
    Claim("E20b", "... nor do permuted labels", PAPER, rules.e20_labels),
    Claim("E20c", "... also in a CNN", PAPER, rules.e20_cnn),
    Claim("E20d", "A confound: with an annealed rate a flip does more harm", "control", rules.e20_annealed),
    Claim("E18", "Blur does most harm early, with an annealed rate", PAPER, rules.e18),
    Claim(
        "E18a", "... and not because the rate is larger early: also with a constant one", "control", rules.e18_constant
    ),
    Claim("E18b", "... also where as many clean epochs with the same rates follow", "control", rules.e18_restart),
    Claim(
        "E18c", "... networks end the further away, the earlier it was, unlike after a flip", "here", rules.e18_distance
    ),
    Claim("E18d", "... also with a constant rate", "control", rules.e18_distance_constant),
    Claim("E9", "In training the Fisher information rises, then falls", PAPER, more_rules.e9),
    Claim(
        "E9b", "... and falls not because networks become sure: also at one entropy", "control", more_rules.e9_entropy
    ),
    Claim("E9c", "... also on other images", "control", more_rules.e9_held_out),
    Claim("E21", "Early blur moves information between layers, a flip does not", PAPER, more_rules.e21),
    Claim("E21b", "... also after a long deficit, with a rate that begins again", "here", more_rules.e21_removal),
    Claim("E19", "Solutions go on moving when it has fallen, and gain nothing", PAPER, more_rules.e19),
    Claim("E16", "From blurred to sharp images is out of reach, from upside down is not", PAPER, more_rules.e16),
    Claim("E16b", "... blur stays outside the tube of networks without a deficit", "here", more_rules.e16_tube),
    Claim("E16c", "... and ends further from the geodesic to truth", "here", more_rules.geodesic),
)
