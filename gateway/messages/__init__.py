"""The conversation log in the gateway: opened, kept in order, and what operators may ask of it."""
