# Asks a site again and again until the file `sys.argv[2]` is there, with `sys.argv[3]` clients at once. Then it tells how
# many answers came, what went wrong how often, and which releases answered.
import collections
import http.client
import json
import os
import sys
import threading

port, stop, clients = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
answered, wrong = collections.Counter(), collections.Counter()
lock = threading.Lock()


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
    while not os.path.exists(stop):
        try:
            well, what = ask()
        except Exception as error:
            well, what = False, type(error).__name__
        with lock:
            (answered if well else wrong)[what] += 1


threads = [threading.Thread(target=client) for _ in range(clients)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"answered": sum(answered.values()), "wrong": wrong, "releases": len(answered)}))
