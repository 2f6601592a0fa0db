"""The worker: takes one assignment at a time per slot, separates the song, stores the stems, says so.

No database and no call to a sibling: Kafka, object storage and the model are all it talks to.
"""
