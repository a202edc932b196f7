"""Work on files of others in processes of their own, with limits on what one file may take."""
