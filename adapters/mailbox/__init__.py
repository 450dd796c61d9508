"""The mailbox adapter: reaches agents whose processes attach to the gateway, and so need no address."""
