"""Run one submission: the only code of ours that shares a process with it.

Inside the wall this folder is the package `worker`; it imports nothing of ours but itself.
"""
