"""A step that does what nearly every step does besides its work: it finds its run and logs a metric."""

import argparse

from azureml.core import Run

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--number", type=int, required=True)
Run.get_context().log("number", parser.parse_args().number)
