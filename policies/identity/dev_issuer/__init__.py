"""An OAuth 2.1 issuer inside the gateway, for development on one machine only.

`issuer` is what the gateway calls; `server` holds Authlib's grants; `clients`, `documents` and `codes` are what they
stand on. Nothing here knows a web framework. Its tokens reach the gateway's door like anybody's.
"""
