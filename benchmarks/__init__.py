"""Programs that measure Aura against a direct connection to the same scripted upstream."""
