"""Who may do what (`roles`), and what everybody did (`audit`)."""
