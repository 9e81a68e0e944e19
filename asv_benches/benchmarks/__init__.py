"""asv benchmarks of subspace_learn against the peers a user would pick."""
