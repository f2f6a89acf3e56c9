"""Bytes on sockets: the HTTP/1.1 front door and the upstream pool. Knows nothing of keys, models or money."""
