"""The conversation log in PostgreSQL, which many processes may use at once.

`engine` is what is opened. `batches` gathers what is submitted at the same time, so that many callers share one
transaction; `sheets` and `claims` are the SQL of a transaction, `keeping` that of erasure, retention and search, `rows`
reads. `connections` are those to one server, and `faults` says what it means when it fails.
"""
