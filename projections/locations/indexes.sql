-- Made at the end of a load: rows of the history are only added, and are many.

create index if not exists location_history_event on location_history (event_id);
create index if not exists location_history_person_time on location_history (person_id, occurred_at, event_id);
create index if not exists location_history_time on location_history (occurred_at, event_id);
create index if not exists location_history_cell_time on location_history (cell, occurred_at);
