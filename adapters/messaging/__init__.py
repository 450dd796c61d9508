"""The conversation log: what was said, in order, for good; and who still has to be told.

`log` has the contracts, `ConversationLog`, `History` and `Keeping`. What happens to a message, a mailbox or a turn is
decided by pure modules (`delivery`, `turns`, `retry`, `plan`); the engines (`sqlite`, `postgres`) load what a decision
needs, and store what was decided in one transaction. The `fabric` only wakes whoever waits.
"""
