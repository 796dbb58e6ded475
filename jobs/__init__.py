"""What runs in the cluster as a job, on a stock Python image: one file each, the standard library only."""
