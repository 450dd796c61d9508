"""The crash test of the conversation log: what holds while processes and databases are killed, stopped and cut off.

Real processes of several roles (`writer`, `dispatcher`, `answerer`, `reader`) work on one database, and note what they
were told in files of their own. A nemesis kills, stops and misleads them. Afterwards `checks` compares what they noted
with what the database says, read by plain SQL; it knows the contract and nothing of how it is kept. `mutants` break
one promise each, so that the checks are known to bite. `power` drops what was never synced.

    python -m tests.crash run --engine sqlite --seconds 60
"""
