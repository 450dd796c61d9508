"""The platform face: gRPC services for operators and agents. Each method is one call through the corridor."""
