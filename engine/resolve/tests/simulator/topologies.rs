//! Systems that are read and written both: how many rows are written for one change.
