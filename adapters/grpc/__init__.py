"""Far sides that are gRPC services: the gateway calls them from their descriptors alone, without generated code."""
