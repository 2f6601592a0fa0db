"""Batches: many songs as one order, with one price, one hold and one end."""
