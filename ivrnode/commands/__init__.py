"""The commands of `ivrnode`, one noun a file. The file's first sentence is its line in `ivrnode --help`."""
