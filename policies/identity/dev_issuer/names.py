"""Names that both the issuer and its own commands use."""

PERSONA_GRANT = "urn:interchange:persona"
"""The grant by which whoever holds the development secret becomes any person of the directory."""
CLI_CLIENT = "interchange-cli"
"""The client of the persona grant; its secret is the development secret."""
LOGIN_CLIENT = "interchange"
"""The public client of `interchange login`; on loopback its port is free."""
LOGIN_REDIRECT = "http://127.0.0.1/callback"
