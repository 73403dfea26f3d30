-- The marks of a target in the order in which they may be worked on, so that what waits for later is not read.
CREATE INDEX marks_ready ON marks (backend, target, urgent DESC, coalesce(not_before, 0), seq) WHERE state < 2;
