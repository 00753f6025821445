"""Tools behind the Model Context Protocol."""
