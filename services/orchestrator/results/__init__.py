"""Results: stems, proof, segments to listen to, and their end."""
