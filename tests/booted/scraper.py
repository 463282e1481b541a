# SPDX-License-Identifier: Apache-2.0
"""usage: scraper.py PORT

Scrapes /metrics again and again, each time on a new connection, until its standard input ends. Then
prints as JSON: how many scrapes were answered, by which starts of the daemon, and what went wrong."""

import http.client
import json
import re
import sys
import threading

ended = threading.Event()


def until_the_end():
    sys.stdin.read()
    ended.set()


def scrape(port):
    """When the process that answered was started."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics", headers={"Connection": "close"})
        answer = connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        return re.search("^process_start_time_seconds (.*)$", body, re.MULTILINE)[1]
    finally:
        connection.close()


def main():
    threading.Thread(target=until_the_end, daemon=True).start()
    answered, starts, errors = 0, set(), []
    while not ended.is_set():
        try:
            starts.add(scrape(int(sys.argv[1])))
            answered += 1
        except (OSError, ValueError, http.client.HTTPException) as error:
            errors.append(repr(error))
    print(json.dumps({"answered": answered, "starts": len(starts), "errors": errors}))


main()
