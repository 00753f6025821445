"""Where foreign products are translated into our ports and back."""
