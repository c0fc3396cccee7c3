//! Tests of the analysis on small modules.
