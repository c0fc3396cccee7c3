/* Empty on purpose: there are no registers to number. */
