"""Keep a trusted process of ours, and put one question after the other to it.

What breaks there breaks nothing here. A question and its answer are bytes behind their length:

    asking.Peer  -- standard input -->  answering.serve  -- the descriptor that was its output -->
"""
