"""Answer an Open edX queue (XQueue): pull a submission, grade it, put its result.

    server --get_submission--> take down on disk --> grade (a process apart) --> reply on disk
           <--put_result------ until the server took it

What is pulled is handed out again when nobody answers within the lease (1 or 5 minutes, by server),
and there is no call to renew it. So everything is safe to repeat: what is on disk survives a
kill -9, a submission that is handed out once more while it is being graded only renews the key
under which its result will be put, and a result is put again until the server took or refused it.

An error of ours is no result: the submission is graded again later, then given back to the server
with a reply that holds no score.
"""
