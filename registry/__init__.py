"""The book: what skills and agents exist, and how they came to be published.

Above it stand `policies` and `adapters`, which only read the catalog; below it nothing but `registry.model`,
the vocabulary everything else is written in.
"""
