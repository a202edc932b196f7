"""Real servers on loopback, and stand-ins that say so."""
