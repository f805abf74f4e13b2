"""What the web service answers, and its OpenAPI description."""
