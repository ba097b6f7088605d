# What the site answers: its release, and its process. Slow enough that a careless server would cut answers off.
import os
import time

with open("REVISION") as file:
    REVISION = file.read().strip()


def app(environ, start_response):
    time.sleep(0.02)
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Release", REVISION)])
    return [f"{REVISION} {os.getpid()}\n".encode()]
