"""Who asks: bearer tokens in, internal tokens out, the directory, and an issuer for development."""
