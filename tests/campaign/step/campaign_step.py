"""A step of the kill campaign, `campaign_step.py SECONDS`: prints, logs a metric, leaves a file, has a child."""

import pathlib
import subprocess
import sys
import time

from azureml.core import Run

run, seconds = Run.get_context(), float(sys.argv[1])
child = subprocess.Popen(["sleep", "600"])
sys.stdout.write(f"waiting for {seconds} s\n")
run.log("seconds", seconds)
pathlib.Path("outputs").mkdir(exist_ok=True)
pathlib.Path("outputs/waited.txt").write_text(f"{seconds}\n")
time.sleep(seconds)
child.kill()
