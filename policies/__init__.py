"""The judge: who asks (`identity`), what they may do (`decide`), and what was decided (`audit`).

It reads the catalog and never meets `adapters`: what a decision orders is data, and `gateway.obligations` sees it done.
"""
