-- What people said, by number, so that whoever follows it passes over all else that happened.
CREATE INDEX control_event_said ON control_event (id) WHERE person IS NOT NULL;
