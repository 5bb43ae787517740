"""The manager on the network: client, server, messages, connections, TLS."""
