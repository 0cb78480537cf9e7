"""Change the metadata of millions of objects in Alibaba Cloud OSS, losing nothing."""

__version__ = "0.1.0.dev0"
