"""Build scripts of the template: they run on a build agent or a laptop and drive Azure ML through its SDK."""
