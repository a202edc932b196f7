"""Files whose values have types (JSON, Parquet, Excel): each becomes the text that a person would have typed."""
