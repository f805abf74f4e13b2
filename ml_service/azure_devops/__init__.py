"""What Azure DevOps knows of the builds of this project: asked over its REST API with the token of a job."""
