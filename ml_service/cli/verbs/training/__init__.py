"""The verbs around training, a module each: check, publish, run, try, smoke, rehearse."""
