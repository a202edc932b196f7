"""Many quarantined rows at once: values that are alike, what can be made of them, what it would change; judged by the contract, kept as staged fixes."""
