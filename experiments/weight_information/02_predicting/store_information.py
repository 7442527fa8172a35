"""Stage 2 of weight information: store what the weights of networks hold, at each checkpoint of a run.

    python -m experiments.weight_information.02_predicting.store_information RUN [RUN ...] [--seed S ...]

turns checkpoints/RUN/seed_<seed>/, of variational networks or of ordinary ones that any stage trained, into
predictions/RUN_information/preds_<seed>.h5: predictions at each checkpoint (t = epoch), and `known` among its
attributes: Fisher information, the information in the weights, the noise that they bear (information.py), cross
entropies, and how far the weights moved.

    --images K          images that the Fisher information is of; default: 200
    --determinant K     images that the determinant of the whole matrix is of; default: 30
    --layers            the Fisher information alone, of each layer, as RUN_layers: a tenth of the time or less

The same command again skips what is there.  A checkpoint of a perceptron of 13,000 weights takes a second on one CPU
core, of one of 150,000 weights 3 seconds.
"""

from experiments.weight_information.choices import Inspection
from info_geometry.files import command
from learning import arguments


def add_arguments(parser):
    parser.add_argument("--images", type=int, default=Inspection.images, metavar="K", help="default: %(default)s")
    parser.add_argument("--determinant", type=int, default=Inspection.determinant, metavar="K", help="images")
    parser.add_argument("--layers", action="store_true", help="the Fisher information alone, of each layer")


def main(argv=None):
    options, own = arguments.of_runs(__doc__, argv, add_arguments)
    choices = Inspection(**own)
    from experiments.weight_information import inspecting  # torch takes seconds: after mistakes are answered

    return inspecting.inspect_all(options, choices)


if __name__ == "__main__":
    command(main)
