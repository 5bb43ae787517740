"""What owners say of the use of their pages and images, and what a crawl makes of it."""
