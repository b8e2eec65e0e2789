"""No Lone Zone and its peers at the same work, in one run."""
