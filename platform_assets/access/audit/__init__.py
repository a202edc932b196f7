"""The audit log: chained entries (`log`), kept on files or in a bucket (`tape`)."""
