//! Domain aggregates as cqrs-es knows them: the only file with its aggregate trait.

use cqrs_es::EventEnvelope;
use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, PersistenceError, SerializedEvent};
use domain::aggregate::{Aggregate, Event};
use domain::stored::{DecodeError, StoredEvent, decode};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};

/// A domain aggregate for cqrs-es.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Sourced<A: Aggregate>(pub A);

/// A domain event for cqrs-es. Stored ones are read with [`envelope`], which knows old versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
pub struct SourcedEvent<E: Event>(pub E);

impl<E: Event> cqrs_es::DomainEvent for SourcedEvent<E> {
    fn event_type(&self) -> String {
        self.0.event_type().to_owned()
    }

    fn event_version(&self) -> String {
        E::current_version(self.0.event_type()).to_owned()
    }
}

impl<A: Aggregate> cqrs_es::Aggregate for Sourced<A> {
    const TYPE: &'static str = A::TYPE;
    type Command = A::Command;
    type Event = SourcedEvent<A::Event>;
    type Error = A::Refusal;
    type Services = ();

    async fn handle(
        &mut self,
        command: A::Command,
        _services: &(),
        sink: &EventSink<Self>,
    ) -> Result<(), A::Refusal> {
        for event in self.0.decide(&command)? {
            sink.write(SourcedEvent(event), self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Self::Event) {
        self.0.evolve(&event.0);
    }
}

/// Reads a stream after a sequence, through postgres-es.
///
/// # Errors
/// If the database cannot be read.
pub async fn read<A: Aggregate>(
    repository: &PostgresEventRepository,
    aggregate_id: &str,
    sequence: u64,
) -> Result<Vec<StoredEvent>, PersistenceError> {
    let events = match usize::try_from(sequence).unwrap_or(usize::MAX) {
        0 => repository.get_events::<Sourced<A>>(aggregate_id).await?,
        sequence => repository.get_last_events::<Sourced<A>>(aggregate_id, sequence).await?,
    };
    Ok(events.into_iter().map(stored).collect())
}

fn stored(event: SerializedEvent) -> StoredEvent {
    StoredEvent {
        aggregate_type: event.aggregate_type.into(),
        aggregate_id: event.aggregate_id.into(),
        sequence: event.sequence as u64,
        event_type: event.event_type.into(),
        event_version: event.event_version.into(),
        payload: event.payload.to_string().into(),
        metadata: event.metadata.to_string().into(),
    }
}

/// A stored event as cqrs-es hands it out, lifted to the current version.
///
/// # Errors
/// If payload or metadata do not fit.
pub fn envelope<A: Aggregate>(
    event: &StoredEvent,
) -> Result<EventEnvelope<Sourced<A>>, DecodeError> {
    let payload = decode(&event.event_type, &event.event_version, &event.payload)?;
    Ok(EventEnvelope {
        aggregate_id: event.aggregate_id.to_string(),
        sequence: usize::try_from(event.sequence).unwrap_or(usize::MAX),
        payload: SourcedEvent(payload),
        metadata: serde_json::from_str(&event.metadata).unwrap_or_default(),
    })
}
