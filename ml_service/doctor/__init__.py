"""`doctor`: what would stop a release, found before the first one; each finding has its fix."""
