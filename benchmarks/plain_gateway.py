"""What a user would write without Interlock: FastAPI enqueues an RQ job a request and waits for its result.

Started by `benchmarks.requests`. No tokens, no tenants, no record of who asked.
"""

from __future__ import annotations

import os
import sys

import redis
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from rq import Queue

app = FastAPI()
queue = Queue("plain", connection=redis.Redis.from_url(os.environ["INTERLOCK_REDIS_URL"]))


class Command(BaseModel):
    key: str
    name: str


@app.post("/commands")
def send(command: Command) -> dict[str, str]:
    """In a thread, because RQ blocks."""
    job = queue.enqueue("benchmarks.plain_rq.apply", command.key, command.name, {}, result_ttl=60)
    result = job.latest_result(timeout=5)
    if result is None:
        raise HTTPException(503)
    return {"state": str(result.return_value)}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning")
