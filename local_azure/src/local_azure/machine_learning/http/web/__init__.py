"""The proxy by which clients ask for data at web addresses: answered from local files, nothing is downloaded."""
