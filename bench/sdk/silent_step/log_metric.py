"""The script of logging_step without azureml: what a metric costs is the difference."""

import argparse

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--number", type=int, required=True)
print("number", parser.parse_args().number)
