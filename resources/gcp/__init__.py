"""What stands for Google Cloud: who we are there, its tables, its buckets."""
