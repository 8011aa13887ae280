"""Stand between a submission and the machine.

    judge (trusted: cases, expected values, tolerance)
      | frames on the worker's stdin and stdout; its stderr is a capped log
      +-- bubblewrap  bwrap ... -- python -I -S -B worker    bare Linux
      `-- confined    python -I -S -B worker                 where namespaces are refused
    worker (hostile): takes its pipes, locks itself down, only then loads JAX and the submission

Launchers differ in the command they prefix; the worker and its lock-down are the same under each.
The source is the first message: no path and no mount lead back to it. The judge keeps the deadlines
and kills from outside.
"""
