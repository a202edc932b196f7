"""What a child gives up before it runs or reads what is not trusted: files, network, system calls, privileges."""
