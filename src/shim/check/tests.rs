//! Mutants of repaired modules: the check must reject every one.
