"""The clients that bulkmeta is compared with: each lists a bucket, and for every object
reads the metadata, adds one pair, writes it back and records the outcome.

Each is a program of its own, written as its library's users write it:

    python -m benchmarks.clients.NAME ENDPOINT BUCKET OUT WORKERS
"""
