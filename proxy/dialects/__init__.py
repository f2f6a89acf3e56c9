"""The wire formats: pure readers of requests and answers. Nothing here waits, sends or changes a byte."""
