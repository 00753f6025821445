"""What happens while a request is answered. No I/O, no SDK, no configuration."""
