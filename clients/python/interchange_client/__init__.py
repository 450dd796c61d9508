"""A small library for processes that speak with Interchange. It knows the wire only, nothing of the gateway."""
