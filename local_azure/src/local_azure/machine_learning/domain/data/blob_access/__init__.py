"""What keeps a request from reading or writing a blob: leases and conditional headers."""
