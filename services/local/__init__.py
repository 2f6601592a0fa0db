"""Every part of the platform on one machine: started, watched, restarted and stopped together."""
