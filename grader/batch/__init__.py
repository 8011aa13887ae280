"""Grade a class: many submissions of one exercise, several at once, across interruptions.

    FOLDER -> gathering -> entries, one a submission
                             -> pool: a thread each drives
                                  job process (a judge, an oracle, a worker at a time) -> reports
                             -> record: results.jsonl, a line as each one is done
                                  -> results.csv, class.html

The command's own process grades nothing. It hands out entries and writes one line for each that
comes back, so whatever ends it, the lines that are on disk are all that has to be known to go on.
A job writes reports by renaming them into place before it says that it is done.
"""
