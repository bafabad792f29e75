"""What the engine of 1.1.0 took and gave."""
