"""Who asks: verified tokens, the directory, the gateway's own signatures, and an issuer for development."""
