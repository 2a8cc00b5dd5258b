"""40 requests by the pool of requests (urllib3), four at a time, every second one with X-User: alice."""
import concurrent.futures
import sys
import requests
import requests.adapters

session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(pool_connections=1, pool_maxsize=4, pool_block=True))


def ask(i):
    user = "alice" if i % 2 == 0 else "nobody"
    method, body = ("POST", "a body" * 1000) if i % 4 > 1 else ("GET", None)
    answer = session.request(method, sys.argv[1], headers={"X-User": user}, data=body, timeout=10)
    answer.raise_for_status()
    return f"{user} {answer.json()['pod']}"


with concurrent.futures.ThreadPoolExecutor(4) as threads:
    for line in threads.map(ask, range(40)):
        print(line)
