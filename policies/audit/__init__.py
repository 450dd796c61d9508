"""What was decided and what came of it: one decision for every call, durable before any write, and one outcome."""
