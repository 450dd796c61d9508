"""Push: webhooks are told what a turn says, at least once and in order, for as long as it takes."""
