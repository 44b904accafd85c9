"""Dense linear algebra on the host or on the device."""
