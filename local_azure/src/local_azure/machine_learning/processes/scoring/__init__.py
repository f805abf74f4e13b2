"""What runs inside the processes of web services; imports nothing of the server, to start fast and small."""
