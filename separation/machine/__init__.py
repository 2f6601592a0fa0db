"""What differs from machine to machine: processor, threads, memory, folders, files, terminals."""
