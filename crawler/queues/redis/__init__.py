"""The queues of a crawl in Redis or Valkey, beyond one manager; with the extra ``redis``."""
