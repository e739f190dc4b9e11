"""Work on many pictures: a plan of jobs, a run that tells by events how they go, a manifest of what came of them."""
