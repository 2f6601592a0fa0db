"""Events between services: the closed list of topics, the codec, and Kafka under both.

topics      what may be said, by whom, where
codec       an event as a Kafka record and back, with strict bounds
outcomes    how a handler answers
producer    records into Kafka, in order, within a bounded time
consumer    records out of Kafka into handlers
admin       topics with their partition counts
"""
