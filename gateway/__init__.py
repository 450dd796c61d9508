"""The front door: faces that speak protocols, the corridor every call walks, and the wiring of all rooms."""
