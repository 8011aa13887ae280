"""Share the work among many processes by Procrastinate, on the same PostgreSQL."""
