"""The real SDKs against the fake provider, straight and through the gateway: one suite for both."""
