"""What runs in the processes of steps. Imports nothing of the server, so that a step sees a clean interpreter."""
