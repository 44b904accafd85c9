"""What `lmrun.sweep.worker` is, without TensorFlow: the config of each job says what happens to it."""

import json
import os
import signal
import sys
import time

for line in sys.stdin:
    job = json.loads(line)
    what = job["config"]
    if what.startswith("signal "):
        os.kill(os.getpid(), int(what.split()[1]))
    elif what == "end":
        sys.exit()
    elif what == "raise":
        raise RuntimeError("what the user's code says")
    elif what == "long":
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.pause()
    elif what == "print":
        os.write(2, b"x" * 200_000)
    kind = "interrupted" if what == "long" else "done"
    answer = {"name": job["name"], "kind": kind, "reason": str(os.getpid()), "code": 0}
    # In two parts: a pipe may hand over any.
    text = json.dumps(answer)
    for part in (text[:7], text[7:] + "\n"):
        sys.stdout.write(part)
        sys.stdout.flush()
        time.sleep(0.01)
