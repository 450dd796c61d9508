"""The conversation log in one SQLite file, which several processes may have open.

`engine` is what is opened; `writer` is its one thread that writes, in transactions that many callers share (group
commit); `rows` reads beside it. `sheets` and `claims` are the SQL of a transaction, `keeping` that of erasure,
retention and search. `file` knows when a file is no longer the one that was opened, and `clock` the time that all
processes share.
"""
