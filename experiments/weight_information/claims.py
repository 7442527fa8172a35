"""The claims about information in the weights, in order."""

from experiments.weight_information import more_rules, rules
from learning.finding import Claim

CLAIMS = (
    Claim("E5", "At a higher price networks know less of the images, and predict them worse", "AS 2018", rules.e5),
    Claim("E5b", "Random labels cost more nats at one cross entropy", "AS 2018", rules.e5_random),
    Claim(
        "E5c", "What is not learned is not worth its price: begun with memorising networks", "control", rules.e5_warm
    ),
    Claim("E6", "Catoni's bound is above the loss of other images", "theorem", rules.e6),
    Claim("E6b", "... and says something of right labels, never of random ones", "DR 2017", rules.e6_says),
    Claim("E7, E8", "Four measures of the information in the weights agree", "AS 2018, APS 2019", rules.e8),
    Claim("E8b", "... and grow with images and with label noise", "APS 2019", rules.e8_grows),
    Claim("E9", "In training the Fisher information rises, then falls", "ARS 2019", rules.e9),
    Claim("E9b", "... and not because networks become sure", "control", rules.e9_control),
    Claim("E9c", "It is the metric along which predictions move", "here", rules.e9_metric),
    Claim("E9d", "Networks that hold more have come a longer way", "here", more_rules.length),
    Claim("E11", "Smaller batches find weights of smaller Fisher information", "AS 2018", more_rules.e11),
    Claim("E11b", "... and of a smaller log-determinant", "AS 2018", more_rules.e11_determinant),
    Claim("E13", "Random labels: memorised below, ignored above beta = 1", "AS 2018", more_rules.e13),
    Claim("E13b", "Right labels are learned at ten times the price", "AS 2018", more_rules.e13_right),
    Claim("E13c", "The threshold of random labels is below 1", "here", more_rules.e13_below),
    Claim("E13d", "... does not fall with the number of images", "here", more_rules.e13_samples),
    Claim("E13e", "... falls with the share of random labels", "here", more_rules.e13_noise),
    Claim("E13f", "... and moves with the posteriors allowed", "here", more_rules.e13_posterior),
    Claim("P1", "Beta is a way from the memoriser to ignorance", "here", more_rules.ignorance),
    Claim("E1", "Less information: a nuisance is decoded worse", "AS 2018", more_rules.e1),
    Claim("E3", "... predictions depend less on it", "AS 2018", more_rules.e3),
    Claim("E12", "... and less on pixels", "AS 2018", more_rules.e12),
)
