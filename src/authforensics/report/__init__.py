"""What people read: the page, the terminal summary, the ticket text and the figures, all from one `Document`."""
