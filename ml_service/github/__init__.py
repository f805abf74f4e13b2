"""What GitHub knows of the runs of a workflow: asked over its REST API with the token of a job."""
