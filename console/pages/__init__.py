"""One module per page. Each has `show(frame)`, which checks the user's permission before it shows anything."""
