//! Made from `avro/` and `catalogue.toml` by `make generate`. Not to be edited.

use super::carried::CarriedEvent;

foldstream_log::events_of! {
    /// Every event there is.
    pub(crate) enum AnyEvent {
        PersonCommands(foldstream_events::PersonCommandsEvent),
        PersonOutcomes(foldstream_events::PersonOutcomesEvent),
        People(foldstream_events::PeopleEvent),
        PersonProfiles(foldstream_events::PersonProfilesEvent),
        PeopleProcessorState(foldstream_events::PeopleProcessorStateEvent),
        Locations(foldstream_events::LocationsEvent),
        SourceProgress(foldstream_events::SourceProgressEvent),
        DeadLetters(foldstream_log::generated::DeadLettersEvent),
        Carried(CarriedEvent),
    }
}
