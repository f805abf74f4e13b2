"""The pages: each handler reads what it shows and renders a template."""
