"""The log formats: one module each, found by walking this folder; none knows another."""
