"""Judge submissions off the event loop, each in a process that may die without harm."""
