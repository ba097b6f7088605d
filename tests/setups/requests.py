# Asks a site fifty times a second at most, by each of `sys.argv[3]` clients, until the file `sys.argv[2]` is there. Then it
# tells how many answers came, what went wrong how often, how many releases answered, and for how long at most none did.
import collections
import http.client
import json
import os
import sys
import threading
import time

port, stop, clients = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
answered, wrong = collections.Counter(), collections.Counter()
lock = threading.Lock()
last, gap = time.monotonic(), 0.0


def ask():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    if answer.status != 200:
        return False, str(answer.status)
    words = body.split()
    return (True, words[0]) if len(words) == 2 and body.endswith("\n") else (False, "cut off")


def client():
    global last, gap
    while not os.path.exists(stop):
        time.sleep(0.02)
        try:
            well, what = ask()
        except Exception as error:
            well, what = False, type(error).__name__
        with lock:
            (answered if well else wrong)[what] += 1
            if well:
                last, gap = time.monotonic(), max(gap, time.monotonic() - last)


threads = [threading.Thread(target=client) for _ in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"answered": sum(answered.values()), "wrong": wrong, "releases": len(answered), "gap_ms": round(gap * 1000)}))
