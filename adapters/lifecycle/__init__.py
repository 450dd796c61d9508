"""The agent lifecycle service: messages become turns, turns become calls of agents, and what came of them is logged."""
