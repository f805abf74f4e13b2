"""Documents of web services."""
