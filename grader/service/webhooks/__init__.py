"""Take deliveries in and send results out: Standard Webhooks 1.0, and the forges' push hooks."""
