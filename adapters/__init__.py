"""The far side: whatever does the work, behind one small Protocol (`adapters.base`).

It reads the catalog and never meets `policies`: what reaches an adapter has been decided.
"""
