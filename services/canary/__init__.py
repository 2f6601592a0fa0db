"""A short song of the platform's own that goes the way of everybody's, again and again; billed to nobody."""
