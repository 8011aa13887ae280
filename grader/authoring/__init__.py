"""Help whoever writes an exercise: measure its bound, prove that it separates right from wrong.

    right variants, misconceptions -> trusted process --+
    fixtures --------------------> the wall ------------+-> survey -> calibration, adequacy

The reference's variants are ours: they run in a process of their own, without a wall, in which no
submission ever runs. Fixtures run behind the wall, like any submission.
"""
